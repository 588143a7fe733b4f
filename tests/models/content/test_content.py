"""Items by their description: features, TF-IDF, vectors, and the baseline that is made of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from models.baselines import Content, Facts, NotApplicableError
from models.baselines.base import ndcg
from models.baselines.content import HALF_LIFE_DAYS, NEWNESS, POWERS
from models.baselines.rate import KNOWN_LOSS
from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT, Attribute
from models.bundle.bundle import WEIGHTS_FILE, ItemTable
from models.content.features import item_features, table_features
from models.content.tfidf import ContentIndex, TfIdf
from models.content.vectors import content_vectors
from models.data import Sequences, leave_one_out
from models.evaluation.metrics import rank_targets
from models.moment import Moment
from tests.models.baselines.test_new_releases import world


def table(genres: list[list[str] | None], dates: list[str | None] | None = None) -> ItemTable:
    ids = ["", *(str(i) for i in range(1, len(genres) + 1))]
    attributes = {"genres": Attribute(TEXT, [None, *genres])}
    if dates:
        attributes["release_date"] = Attribute(DATE, [None, *dates])
    return ItemTable(ids, ids, np.zeros(len(ids), np.int64), attributes)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (TEXT, ["Indie", "INDIE", "Turn-Based"], ["of indie", "of turn-based"]),
        (
            TEXT,
            ["A long text " + "that describes " * 4],
            ["of a", "of describes", "of long", "of text", "of that"],
        ),
        (NUMBER, 9.99, ["of 3.0"]),
        (NUMBER, 0, ["of 0.0"]),
        (NUMBER, -9.99, ["of -3.0"]),
        (DATE, "2018-01-04", ["of 2018"]),
        (FLAG, True, ["of true"]),
        (FLAG, False, []),
        (TEXT, None, []),
    ],
)
def test_a_value_gives_its_features_by_its_kind(kind: str, value: Any, expected: list[str]) -> None:
    assert item_features("", {"of": (kind, value)}) == expected


def test_titles_are_words_and_a_title_that_is_the_id_says_nothing() -> None:
    assert item_features("Pokémon: Red & red", {}) == ["title pokemon", "title red"]
    assert table_features(table([["Indie"]])) == [[], ["genres indie"]]


def test_what_is_rare_tells_more_and_what_is_unheard_of_nothing() -> None:
    index = ContentIndex.of([[], ["a", "b"], ["a", "b"], ["a"], ["a", "only"]])
    column, idf = index.tfidf.column, index.tfidf.idf
    assert idf[column["only"]] > idf[column["b"]] > idf[column["a"]]
    found = index.cosines(["a", "b", "unheard of"])
    assert found[:3] == pytest.approx([0, 1, 1])
    assert 0 < found[4] < found[3] < 1
    assert index.cosines(["unheard of"]).tolist() == index.cosines([]).tolist() == [0.0] * 5
    assert set(TfIdf.fit([["a"], ["a", "only"]], fewest=2).column) == {"a"}


@pytest.mark.parametrize("n", [6, 400])  # the whole decomposition, and the truncated one
def test_vectors_keep_who_is_like_whom(n: int) -> None:
    rng = np.random.default_rng(1)
    genres = [[f"{i % 3} of {g}" for g in rng.choice(100, 5, replace=False)] + [f"{i % 3}"] for i in range(n)]
    items = table([*genres, None])
    vectors = content_vectors(items)
    assert vectors is not None and vectors.dtype == np.float32
    assert len(vectors) == n + 2 and vectors.shape[1] <= 64
    lengths = np.linalg.norm(vectors, axis=1)
    assert lengths == pytest.approx([0, *[1] * n, 0], abs=1e-5)
    alike = vectors @ vectors[1]
    same = np.arange(n) % 3 == 0
    assert alike[1:-1][~same] == pytest.approx(0, abs=1e-5)  # those have nothing in common
    assert alike[1:-1][same].mean() > 0.05
    again = content_vectors(items)
    assert again is not None and again.tobytes() == vectors.tobytes()


def test_without_anything_in_common_there_are_no_vectors_and_no_baseline() -> None:
    train = Sequences.from_lists([[1, 2]], 2)
    apart = table([["a"], ["b"]])
    assert content_vectors(apart) is None
    for facts in (Facts(), Facts(items=apart)):
        with pytest.raises(NotApplicableError, match="nothing is known of the items"):
            Content.fit(train, facts=facts)


def test_what_is_like_the_history_comes_first_and_a_new_item_without_plays_too() -> None:
    """1, 2, 3 are puzzles, 4, 5, 6 are not; nobody has played 3 and 6, and 3 came out last."""
    items = table(
        [["Puzzle"]] * 3 + [["Racing"]] * 3,
        ["2015-01-01", "2018-01-01", "2018-03-01", "2015-01-01", None, "2014-01-01"],
    )
    train = Sequences.from_lists([[1, 2], [1, 2, 4, 5], [4, 5]], 6)
    fitted = Content.fit(train, facts=Facts(items=items))
    puzzles = fitted.score([np.array([1])])[0]
    assert fitted.newness == NEWNESS[0] and puzzles[3] == 0 < puzzles[5] < puzzles[2]
    welcoming = Content(fitted.vectors, fitted.share, fitted.new, 1.0, 3.0)
    puzzles, racing = welcoming.score([np.array([1]), np.array([4])])
    assert puzzles[3] > puzzles[4:].max()
    assert racing[3] < racing[4:6].min()
    assert racing[0] == puzzles[0] == -np.inf
    empty = welcoming.score([np.array([], np.int64)])[0]
    assert np.isfinite(empty[1:]).all()


DAY = 86_400
CLOCK = {"units_a_second": 1, "exclude_seen": False}


def on(day: str, users: int = 1) -> Moment:
    return Moment.all_at(int(np.datetime64(day, "ms").astype(np.int64)), users)


def dated() -> tuple[Content, Facts, Sequences]:
    """Five puzzles, and one that is not; 3 and 4 have never been played, 5 before its release."""
    items = table(
        [["Puzzle"]] * 5 + [["Racing"]],
        ["2015-01-01", "2017-01-01", "2018-03-01", "2018-06-01", "2019-01-01", None],
    )
    train = Sequences.from_lists([[1, 2, 5], [6]], 6)
    times = int(np.datetime64("2018-01-01", "s").astype(np.int64)) + DAY * np.arange(4)
    facts = Facts(times=times, items=items, **CLOCK)
    return replace(Content.fit(train, facts=facts), power=1.0, newness=10.0), facts, train


def test_a_new_item_has_its_rate_beside_what_has_been_played_from_its_day_on() -> None:
    fitted, *_ = dated()
    fitted, history = replace(fitted, rate=0.2), [np.array([1]), np.array([6])]
    before, after = (fitted.score_at(history, on(day)) for day in ("2018-02-28", "2018-06-11"))
    assert fitted.releases is not None
    of_new = fitted.releases.score_at(history, on("2018-06-11"))
    assert np.isneginf(before[:, [0, 3, 4]]).all() and np.isfinite(before[:, [1, 2, 5, 6]]).all()
    np.testing.assert_array_equal(before[:, [1, 2, 5, 6]], after[:, [1, 2, 5, 6]])
    total = after[:, [1, 2, 5, 6]].sum(axis=1)
    np.testing.assert_allclose(after[:, 3:5], 0.2 * total[:, None] * of_new[:, 3:5], rtol=1e-5)
    assert after[0, 4] > after[0, 3] > 0, "the newer first"
    later = fitted.score(history)
    assert np.isneginf(later[:, 3:5]).all(), "as of the training, when neither was out"


def test_power_and_rate_are_chosen_for_the_known_and_bounded(tmp_path: Path) -> None:
    """One play of ten is of the release of the day; the likeliest rate would cost the others too much."""
    facts, train, validation = world(1_500, 1)
    chosen = Content.fit(train, validation, facts)
    assert chosen.releases is not None and chosen.rate > 0
    new = chosen.releases.new
    known = validation.rows(np.flatnonzero(~new[validation.targets]))
    none = replace(chosen, rate=1e-6)

    assert ndcg(none, known) == max(ndcg(replace(none, power=power), known) for power in POWERS)

    def likelihood(weight: float) -> float:
        model = replace(none, rate=0.0, weight=weight)
        scores = np.maximum(model.score([known.histories.user(row) for row in range(len(known))]), 0)
        return float(np.log(scores[np.arange(len(known)), known.targets] / scores.sum(axis=1)).mean())

    best = likelihood(chosen.weight)
    assert best > likelihood(chosen.weight + 0.05) and best > likelihood(chosen.weight - 0.05)
    assert ndcg(chosen, known) >= (1 - KNOWN_LOSS) * ndcg(none, known)
    assert ndcg(chosen, validation) > ndcg(none, validation)
    chosen.save(tmp_path)
    opened, refitted = Content.load(tmp_path), chosen.refit(train, facts)
    assert opened.config() == refitted.config() == chosen.config()
    histories = [validation.histories.user(row) for row in range(20)]
    moment = Moment(np.asarray(validation.asked_ms)[:20])
    np.testing.assert_array_equal(opened.score_at(histories, moment), chosen.score_at(histories, moment))


def test_in_a_bundle_from_before_a_release_is_new_on_its_day_and_not_there_before(tmp_path: Path) -> None:
    replace(dated()[0], releases=None).save(tmp_path)
    fitted = Content.load(tmp_path)
    history, days = [np.array([1])], ("2018-02-28", "2018-03-01", "2018-06-01", "2028-01-01")
    before, first, later, long_after = (fitted.score_at(history, on(day))[0] for day in days)
    assert np.isneginf(before[[0, 3, 4]]).all() and np.isfinite(before[[1, 2, 5, 6]]).all()
    assert first[3] == first.max() and np.isneginf(first[4]) and first[5] == before[5] == later[5]
    half = first[3] * 0.5 ** (92 / HALF_LIFE_DAYS)  # nobody has played it: nothing but its age counts
    assert later[3] == pytest.approx(half, rel=1e-5) and later[4] == later.max() > later[3]
    assert long_after[1] > long_after[3] > 0, "what is new no more counts by its plays alone"
    moment = Moment(np.concatenate([on("2018-02-28").asked_ms, on("2018-03-01").asked_ms]))
    np.testing.assert_array_equal(fitted.score_at(history * 2, moment), [before, first])


def test_what_has_been_played_since_is_there_whatever_its_date_says() -> None:
    fitted, *_ = dated()
    assert fitted.prior is not None
    moved = fitted.moved(np.array([3, 3, 6]), np.full(3, fitted.prior.newest_ms + 1))
    assert np.isfinite(moved.score_at([np.array([1])], on("2018-01-05"))[0, 3])
    assert moved.share[3] > fitted.share[3] == 0


def test_undated_plays_know_no_day(tmp_path: Path) -> None:
    _, facts, train = dated()
    only_counted = replace(facts, units_a_second=None)
    for known in (only_counted, replace(only_counted, times=None)):
        plain = Content.fit(train, facts=known)
        history = [np.array([1])]
        np.testing.assert_array_equal(plain.score_at(history, on("2018-02-28")), plain.score(history))
        with pytest.raises(ValueError, match="no clock"):
            plain.moved(np.array([1]), np.array([1]))
        plain.save(tmp_path)
        assert set(load_file(tmp_path / WEIGHTS_FILE)) == {"vectors", "share", "new", "settings"}


def test_a_bundle_keeps_dates_and_clock(tmp_path: Path) -> None:
    fitted, facts, train = dated()
    fitted.save(tmp_path)
    opened, history = Content.load(tmp_path), [np.array([1, 6])]
    assert opened.prior == fitted.prior is not None
    assert opened.refit(train, facts).prior == fitted.prior
    for day in ("2018-02-28", "2019-06-01"):
        np.testing.assert_array_equal(opened.score_at(history, on(day)), fitted.score_at(history, on(day)))


def test_settings_are_chosen_on_validation_and_kept_by_a_refit() -> None:
    rng = np.random.default_rng(3)
    genres = [[f"g{i % 5}", f"h{i % 2}"] for i in range(40)]
    items = table(genres, [f"201{i % 9}-01-01" for i in range(40)])
    users = [(rng.choice(8, 6, replace=False) * 5 + rng.integers(5)).tolist() for _ in range(100)]
    sequences = Sequences.from_lists([[1 + i for i in user] for user in users], 40)
    split = leave_one_out(sequences)
    facts = Facts(times=np.arange(len(split.train.items)), items=items)
    chosen = Content.fit(split.train, split.validation, facts)
    others = [
        ndcg(Content(chosen.vectors, chosen.share, chosen.new, power, newness), split.validation)
        for power in POWERS
        for newness in NEWNESS
    ]
    assert ndcg(chosen, split.validation) == max(others)
    assert (rank_targets(chosen, split.test) <= 8).mean() > 0.9  # the eight of a genre that a user plays
    refitted = chosen.refit(sequences, Facts(times=np.arange(len(sequences.items)), items=items))
    assert refitted.config() == chosen.config()
    assert refitted.share.tolist() != chosen.share.tolist()


def test_features_that_an_index_has_never_seen_are_passed_over() -> None:
    tfidf = TfIdf.fit([["a"], ["a"]])
    assert tfidf.entries([["b"], ["a", "c"]]).weights.tolist() == [1.0]
