"""The baselines against hand-computed probabilities, and their bundles, whole and broken."""

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from models.baselines import (
    BASELINES,
    SMOOTHING,
    SMOOTHINGS,
    Baseline,
    Facts,
    Markov,
    MostFrequent,
    MostRecent,
    NotApplicableError,
    Popularity,
    RecentPopularity,
)
from models.baselines.bundles import baseline_bundle
from models.bundle.attributes import DATE, TEXT, Attribute
from models.bundle.bundle import (
    WEIGHTS_FILE,
    BundleError,
    ItemTable,
    bundle_hash,
    read_golden,
    read_items,
    read_manifest,
)
from models.data import Sequences, leave_one_out
from models.evaluation.metrics import per_user, rank_targets, top_k
from models.opening import check_golden, open_scorer
from models.writing import Origin

# Item 1 is followed twice by 2 and once by 3; nothing follows 4 or 5; 5 is never played.
TRAIN = Sequences.from_lists([[1, 2], [1, 2, 1, 3], [4], []], 5)
GENRES = Attribute(TEXT, [None, ["Puzzle"], ["Puzzle", "Indie"], ["Indie"], None, ["Puzzle"]])
DATES = Attribute(DATE, [None, "2016-01-01", None, "2017-01-01", "2017-02-01", "2017-07-01"])
ITEMS = ItemTable(
    ["", "30", "10", "20", "50", "40"],
    ["", "A", "B", "C", "D", "E"],
    TRAIN.counts(),
    {"genres": GENRES, "release_date": DATES},
)
TIMES = 1_500_000_000 + np.array([1, 2, 3, 4, 5, 9, 7])  # in July 2017
FACTS = Facts(ITEMS.ids, TIMES, exclude_seen=False, items=ITEMS, units_a_second=1)


def score(scorer: Baseline, *histories: Sequence[int]) -> list[list[float]]:
    result: list[list[float]] = scorer.score([np.array(h, dtype=np.int32) for h in histories]).tolist()
    return result


def markov_oracle(
    users: Sequence[Sequence[int]], n_items: int, s: float, last: int | None, exclude_seen: bool
) -> list[float]:
    def counts_as_answer(user: Sequence[int], place: int) -> bool:
        return not (exclude_seen and user[place] in user[:place])

    counts = Counter(user[n] for user in users for n in range(len(user)) if counts_as_answer(user, n))
    total = sum(counts.values())
    followers = Counter(
        user[n]
        for user in users
        for n in range(1, len(user))
        if user[n - 1] == last and counts_as_answer(user, n)
    )
    seen = sum(followers.values())
    return [(followers[j] + s * counts[j] / total) / (seen + s) for j in range(1, n_items + 1)]


sequences = (
    st.integers(1, 7)
    .flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.lists(st.integers(1, n), max_size=8), min_size=1, max_size=8)
        )
    )
    .filter(lambda case: any(case[1]))
)


def test_popularity_by_hand() -> None:
    expected = [-np.inf, *np.float32([3 / 7, 2 / 7, 1 / 7, 1 / 7, 0]).tolist()]
    assert score(Popularity.fit(TRAIN), [1, 2], []) == [expected, expected]


def test_markov_by_hand() -> None:
    chain = Markov.fit(TRAIN, smoothing=2.0)
    after_1, after_4, empty = score(chain, [4, 1], [4], [])
    assert after_1[1:] == pytest.approx(
        [2 * 3 / 7 / 5, (2 + 2 * 2 / 7) / 5, (1 + 2 / 7) / 5, 2 / 7 / 5, 0], rel=1e-6
    )
    assert after_4[1:] == empty[1:] == pytest.approx([3 / 7, 2 / 7, 1 / 7, 1 / 7, 0], rel=1e-6)
    assert after_1[0] == after_4[0] == empty[0] == -np.inf


def test_where_seen_items_are_no_answers_a_play_again_does_not_count() -> None:
    """Of TRAIN's plays that is the second one of item 1 by the second user, here the newest."""
    facts = Facts(times=np.array([1, 1, 1, 1, 9, 1, 1]))
    once = [-np.inf, *np.float32([2 / 6, 2 / 6, 1 / 6, 1 / 6, 0]).tolist()]
    assert score(Popularity.fit(TRAIN, facts=facts), [1, 2]) == [once]
    (recent,) = score(RecentPopularity.fit(TRAIN, facts=facts), [1])
    (recent_too,) = score(RecentPopularity.fit(TRAIN, facts=replace(facts, exclude_seen=False)), [1])
    assert recent[1] < recent_too[1]


@given(sequences, st.floats(0.1, 500), st.booleans())
def test_markov_agrees_with_counting(case: tuple[int, list[list[int]]], s: float, exclude_seen: bool) -> None:
    n_items, users = case
    facts = Facts(exclude_seen=exclude_seen)
    chain = Markov.fit(Sequences.from_lists(users, n_items), facts=facts, smoothing=s)
    histories = [[], *([i] for i in range(1, n_items + 1)), [1, n_items]]
    for history, row in zip(histories, score(chain, *histories), strict=True):
        expected = markov_oracle(users, n_items, s, history[-1] if history else None, exclude_seen)
        assert row[1:] == pytest.approx(expected, rel=1e-5, abs=1e-7)
        assert sum(row[1:]) == pytest.approx(1, abs=1e-5)  # a distribution


def test_pairs_never_reach_across_users() -> None:
    apart = Markov.fit(Sequences.from_lists([[1], [2], [], [1], [2]], 2), smoothing=1e-3)
    together = Markov.fit(Sequences.from_lists([[1, 2], [1, 2]], 2), smoothing=1e-3)
    assert score(apart, [1])[0][1:] == pytest.approx([0.5, 0.5])
    assert score(together, [1])[0][2] > 0.99


def test_popularity_breaks_ties_between_followers() -> None:
    chain = Markov.fit(Sequences.from_lists([[1, 2], [1, 3], [3], [3]], 3), smoothing=1e-2)
    _, _, two, three = score(chain, [1])[0]
    assert three > two


def test_what_is_mine_comes_first_by_when_or_how_often_and_the_rest_by_popularity() -> None:
    history = [4, 2, 3, 2, 4, 1]  # 5 is the only other one, and in TRAIN the items are 1, 2, 3 and 4, 5
    recent, frequent = (kind.fit(TRAIN, facts=FACTS) for kind in (MostRecent, MostFrequent))

    def order(baseline: Baseline, *history: int) -> list[int]:
        return np.argsort(-np.array(score(baseline, history)[0][1:]), kind="stable")[:5] + 1

    assert order(recent, *history).tolist() == [1, 4, 2, 3, 5]
    assert order(frequent, *history).tolist() == [4, 2, 1, 3, 5]
    assert order(recent, 5).tolist() == order(frequent, 5).tolist() == [5, 1, 2, 3, 4]
    assert order(recent).tolist() == order(frequent).tolist() == [1, 2, 3, 4, 5]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=600))
def test_of_a_long_history_the_newest_plays_count(history: list[int]) -> None:
    looked_at = history[-MostRecent.max_length :]
    last = {item: place for place, item in enumerate(looked_at)}
    by_recency = sorted(last, key=lambda item: -last[item])
    by_count = sorted(last, key=lambda item: (-looked_at.count(item), -last[item]))
    for kind, expected in ((MostRecent, by_recency), (MostFrequent, by_count)):
        (scores,) = score(kind.fit(TRAIN, facts=FACTS), history)
        assert sorted(last, key=lambda item: -scores[item]) == expected
        assert all(scores[item] < scores[expected[-1]] for item in set(range(1, 6)) - set(last))


@pytest.mark.parametrize("kind", [MostRecent, MostFrequent])
def test_where_seen_items_are_no_answers_there_is_nothing_of_mine_to_give(kind: type[Baseline]) -> None:
    with pytest.raises(NotApplicableError, match="left out of the answers"):
        kind.fit(TRAIN, facts=replace(FACTS, exclude_seen=True))


@pytest.mark.parametrize("name", BASELINES)
def test_a_batch_scores_as_its_users_do_alone(name: str) -> None:
    rng = np.random.default_rng(1)
    histories = [rng.integers(1, 6, size=rng.integers(0, 5)) for _ in range(40)]
    baseline = BASELINES[name].fit(TRAIN, facts=FACTS)
    batch = baseline.score(histories)
    assert batch.dtype == np.float32
    assert batch.shape == (40, 6)
    np.testing.assert_array_equal(batch, np.concatenate([baseline.score([h]) for h in histories]))
    assert baseline.score([]).shape == (0, 6)
    batch[:] = 7  # the caller's own
    assert score(baseline, [1]) != [[7.0] * 6]


def test_smoothing_is_chosen_on_validation() -> None:
    rng = np.random.default_rng(2)
    popularity = 1 / np.arange(1, 41)
    popularity /= popularity.sum()
    users = [(1 + rng.choice(40, 12, replace=False, p=popularity)).tolist() for _ in range(300)]  # no order
    split = leave_one_out(Sequences.from_lists(users, 40))
    chosen = Markov.fit(split.train, split.validation)

    def ndcg(s: float) -> float:
        return float(
            per_user("ndcg@10", rank_targets(Markov.fit(split.train, smoothing=s), split.validation)).mean()
        )

    assert chosen.smoothing == max(SMOOTHINGS, key=ndcg)
    assert ndcg(chosen.smoothing) > ndcg(min(SMOOTHINGS))
    same = Markov.fit(split.train, smoothing=chosen.smoothing)
    assert score(chosen, [1], [2, 3]) == score(same, [1], [2, 3])


def test_without_validation_the_smoothing_is_the_one_given_or_the_default() -> None:
    split = leave_one_out(Sequences.from_lists([[1, 2]], 2))
    assert Markov.fit(split.train).smoothing == SMOOTHING
    assert Markov.fit(split.train, split.validation).smoothing == SMOOTHING  # it is empty
    assert Markov.fit(TRAIN, smoothing=3.0).smoothing == 3.0


@pytest.mark.parametrize("smoothing", [0.0, -1.0, float("nan")])
def test_smoothing_must_be_positive(smoothing: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Markov.fit(TRAIN, smoothing=smoothing)


@pytest.mark.parametrize("name", BASELINES)
def test_fitting_leaves_the_data_as_they_are(name: str) -> None:
    split = leave_one_out(TRAIN)
    before = [split.train.fingerprint(), split.validation.histories.fingerprint(), TRAIN.fingerprint()]
    times = TIMES[: len(split.train.items)]
    facts = Facts(ITEMS.ids, times, exclude_seen=False, items=ITEMS, units_a_second=1)
    BASELINES[name].fit(split.train, split.validation, facts)
    assert [
        split.train.fingerprint(),
        split.validation.histories.fingerprint(),
        TRAIN.fingerprint(),
    ] == before


@pytest.mark.parametrize("name", BASELINES)
def test_nothing_to_fit_is_said_so(name: str) -> None:
    for exclude_seen in (True, False):
        facts = Facts(ITEMS.ids, np.array([], np.int64), exclude_seen)
        with pytest.raises(ValueError, match="no interaction"):
            BASELINES[name].fit(Sequences.from_lists([[], []], 5), facts=facts)


@pytest.mark.parametrize("name", ["markov", "transitions", "graph", "item_knn", "ease"])
@pytest.mark.parametrize("item", [-1, 6])
def test_an_item_outside_the_vocabulary_is_refused(name: str, item: int) -> None:
    with pytest.raises(ValueError, match=r"outside 1\.\.5"):
        BASELINES[name].fit(TRAIN).score([np.array([1]), np.array([item])])


# -- bundles -----------------------------------------------------------------------------------------------


def write(folder: Path, name: str) -> Path:
    origin = Origin("data", "code", "sample", "leave-one-out")
    baseline_bundle(folder, BASELINES[name].fit(TRAIN, facts=FACTS), ITEMS, origin, {"ndcg@10": 0.25}, k=3)
    return folder


@pytest.mark.parametrize("name", BASELINES)
def test_a_bundle_opens_and_gives_its_golden_answers(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path, name)
    manifest = read_manifest(folder)
    assert (manifest.architecture, manifest.n_items, manifest.export_error) == (name, 5, 0.0)
    assert manifest.metrics == {"ndcg@10": 0.25}
    assert read_items(folder).ids == ITEMS.ids
    scorer, golden = open_scorer(folder), read_golden(folder)
    assert [len(g.history) for g in golden] == [1, 2]  # of 5 items, 3 are left to answer with
    items, scores = top_k(scorer, Sequences.from_lists([g.history for g in golden], 5), 3)
    for row, answer in enumerate(golden):
        assert answer.items == items[row].tolist()
        assert answer.scores == scores[row].tolist()
        assert not set(answer.items) & set(answer.history)
    fitted = BASELINES[name].fit(TRAIN, facts=FACTS)
    histories = [np.array(g.history, dtype=np.int32) for g in golden]
    np.testing.assert_array_equal(scorer.score(histories), fitted.score(histories))


@pytest.mark.parametrize("name", BASELINES)
def test_equal_inputs_give_equal_bytes(name: str, tmp_path: Path) -> None:
    assert bundle_hash(write(tmp_path / "a", name)) == bundle_hash(write(tmp_path / "b", name))


@pytest.mark.parametrize("name", BASELINES)
def test_where_seen_items_are_answers_the_golden_ones_hold_them(name: str, tmp_path: Path) -> None:
    fitted = BASELINES[name].fit(TRAIN, facts=FACTS)
    origin = Origin("data", "code", "sample", "leave-one-out", exclude_seen=False)
    assert not baseline_bundle(tmp_path, fitted, ITEMS, origin, {}, k=5).exclude_seen
    for golden in read_golden(tmp_path):
        assert set(golden.items) == {1, 2, 3, 4, 5}
    check_golden(tmp_path)
    assert not read_manifest(tmp_path).exclude_seen


def test_a_short_golden_answer_holds_no_padding(tmp_path: Path) -> None:
    items = ItemTable(["", "a", "b"], ["", "A", "B"], np.array([0, 2, 1]))
    baseline = Popularity.fit(Sequences.from_lists([[1, 2, 1]], 2))
    baseline_bundle(tmp_path, baseline, items, Origin("d", "c", "s", "l"), {}, k=10)
    (golden,) = read_golden(tmp_path)
    assert golden.items == [3 - golden.history[0]]
    assert len(golden.scores) == 1


@pytest.mark.parametrize("name", BASELINES)
def test_serving_needs_numpy_and_safetensors_alone(name: str, tmp_path: Path) -> None:
    write(tmp_path, name)
    code = (
        "import sys\n"
        "for name in ('scipy', 'torch', 'onnxruntime', 'mlflow', 'dagster', 'pandas', 'duckdb'):\n"
        "    sys.modules[name] = None\n"
        "import numpy, pathlib\n"
        "from models.opening import open_scorer\n"
        f"scorer = open_scorer(pathlib.Path({str(tmp_path)!r}))\n"
        "scores = scorer.score([numpy.array([1])])\n"
        "assert scores.shape == (1, 6) and numpy.isfinite(scores[:, 1:]).all()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def tamper(name: str, values: np.ndarray | None) -> object:
    def apply(path: Path) -> None:
        weights = load_file(path)
        if values is None:
            del weights[name]
        else:
            weights[name] = values
        save_file(weights, path)

    return apply


BROKEN = {
    "missing": ("popularity", Path.unlink),
    "empty": ("popularity", lambda path: path.write_bytes(b"")),
    "truncated": ("markov", truncate),
    "another file": ("markov", lambda path: path.write_text("not weights")),
    "of another type": ("popularity", tamper("share", np.ones(6))),
    "of another shape": ("popularity", tamper("share", np.ones((2, 3), dtype=np.float32))),
    "an array short": ("markov", tamper("gains", None)),
    "arrays of different vocabularies": ("markov", tamper("back_off", np.ones(3, dtype=np.float32))),
    "rows out of order": ("markov", tamper("starts", np.array([0, 2, 0, 0, 0, 0, 3]))),
    "an item too many": ("markov", tamper("followers", np.array([2, 3, 99], dtype=np.int32))),
    "no smoothing": ("markov", tamper("smoothing", np.empty(0))),
    "places twice": ("next_larger_id", tamper("place", np.array([0, 1, 1, 2, 3, 4], dtype=np.int32))),
    "no half-life": ("recent_popularity", tamper("half_life", None)),
    "no decay": ("item_knn", tamper("decay", np.empty(0))),
    "weights of an item too many": ("item_knn", tamper("items", np.array([2, 3, 99], dtype=np.int32))),
    "weights out of order": ("ease", tamper("starts", np.array([0, 5, 0, 0, 0, 0, 0]))),
    "weights of another type": ("ease", tamper("values", np.ones(3))),
    "no rows": ("markov", tamper("starts", np.empty(0, dtype=np.int64))),
}


@pytest.mark.parametrize(("name", "damage"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_weights_get_one_sentence(name: str, damage, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path, name) / WEIGHTS_FILE
    damage(path)
    with pytest.raises(BundleError, match=f"does not hold the weights of a {name} baseline") as error:
        open_scorer(tmp_path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
