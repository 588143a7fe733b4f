"""A blend: its scores against a loop, its weights against a known process, its bundle, and what breaks it."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.baselines import Markov, Popularity, RecentPopularity
from models.baselines.base import Facts
from models.baselines.bundles import baseline_bundle
from models.blend import learning
from models.blend.bundles import blend_bundle
from models.blend.learning import NoBlendError, choices, choose, fit, learn, learn_best
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS, Blend, log_shares
from models.bundle.bundle import MANIFEST_FILE, BundleError, ItemTable, bundle_hash, read_manifest
from models.data import Holdout, Sequences
from models.evaluation.metrics import per_user, rank_targets
from models.opening import check_golden, open_scorer
from models.prior import PRIOR, Prior
from models.scorer import OnnxScorer
from models.writing import Origin
from tests.serving.conftest import N_ITEMS, random_table, write_fake_bundle

NEWEST_MS, HALF_LIFE_MS, PLAYS = 1_750_000_000_000, 86_400_000.0, 20.0  # of the blend's recent popularity
ORIGIN = Origin("data-1", "code-1", "sample", "leave-one-out")


class Table(OnnxScorer):
    """A network without onnxruntime: its scores follow from the last item of the history."""

    def __init__(self, table: NDArray[np.float32]) -> None:
        self._table = table  # [n_items + 1, n_items + 1]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = self._table[[int(history[-1]) for history in histories]].copy()
        scores[:, 0] = -np.inf
        return scores


class Shares:
    """A baseline that says the same to everybody."""

    def __init__(self, shares: NDArray[np.float64]) -> None:
        self._shares = shares.astype(np.float32)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(self._shares, (len(histories), 1))
        scores[:, 0] = -np.inf
        return scores


def by_a_loop(
    members: Mapping[str, object], weights: Mapping[str, float], history: NDArray[np.integer]
) -> list[float]:
    scored = {name: members[name].score([history])[0].astype(float) for name in weights}  # type: ignore[attr-defined]
    totals = {name: sum(max(s, 0.0) for s in scores[1:]) for name, scores in scored.items()}
    found = []
    for item in range(1, N_ITEMS + 1):
        score = 0.0
        for name, weight in weights.items():
            of_item = scored[name][item]
            if not isinstance(members[name], OnnxScorer):
                share = max(of_item, 0.0) / totals[name] if totals[name] else 0.0
                of_item = np.log(1 + N_ITEMS * share)
            score += weight * of_item
        found.append(score)
    return found


def members() -> dict[str, Table | Shares]:
    rng = np.random.default_rng(1)
    shares = rng.random(N_ITEMS + 1) - 0.2  # some are below 0
    return {"net": Table(random_table(0)), "one": Shares(shares), "none": Shares(np.full(N_ITEMS + 1, -3.0))}


def test_of_many_items_fewer_users_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    histories = Sequences.from_lists([[1 + n % 5] for n in range(7)], N_ITEMS)
    held = Holdout(np.arange(7), np.full(7, 6, dtype=np.int32), histories)
    whole = choices(members(), held, depth=N_ITEMS)
    monkeypatch.setattr(learning, "BLOCK_BYTES", 2 * len(members()) * (N_ITEMS + 1) * 4)
    asked: list[int] = []
    score = Table.score
    monkeypatch.setattr(Table, "score", lambda self, rows: (asked.append(len(rows)), score(self, rows))[1])
    parts = choices(members(), held, depth=N_ITEMS)
    assert asked == [2, 2, 2, 1]
    np.testing.assert_array_equal(parts.features, whole.features)


def test_scores_are_those_of_a_loop() -> None:
    weights = {"one": 0.75, "net": 0.5, "none": 2.0}
    history = np.array([4, 9])
    scores = Blend.of(members(), weights).score([history, history[:1]])
    assert scores.dtype == np.float32 and scores.shape == (2, N_ITEMS + 1)
    assert np.all(np.isneginf(scores[:, 0]))
    np.testing.assert_allclose(scores[0, 1:], by_a_loop(members(), weights, history), rtol=1e-5, atol=1e-5)


def test_what_says_the_same_to_everybody_is_computed_once_to_the_same_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = np.random.default_rng(2).random(N_ITEMS + 1)
    weights, histories = {"net": 0.5, "popularity": 0.75}, [np.array([4, 9]), np.array([3])]
    asked = Blend.of({"net": Table(random_table(0)), "popularity": Shares(shares)}, weights).score(histories)
    once = Blend.of(
        {"net": Table(random_table(0)), "popularity": Popularity(shares.astype(np.float32))}, weights
    )
    assert once.score(histories).tobytes() == asked.tobytes()
    monkeypatch.setattr(Popularity, "score", lambda *_: pytest.fail("it is asked again"))
    assert once.score(histories[1:]).tobytes() == asked[1:].tobytes()


def test_a_score_that_is_no_number_stays_one() -> None:
    """So that the gate, which counts such users, sees a broken member."""
    table = random_table(0)
    table[:, 7] = np.nan
    broken = {**members(), "net": Table(table)}
    scores = Blend.of(broken, {"net": 1.0, "one": 1.0}).score([np.array([3])])
    assert np.isnan(scores[0, 7]) and np.isfinite(scores[0, 8])
    with pytest.raises(NoBlendError, match="no numbers"):
        learn(broken, holdout(np.full(8, 7), np.full(8, 3)))


def test_a_blend_needs_a_network() -> None:
    with pytest.raises(ValueError, match="network"):
        Blend.of(members(), {"one": 1.0})


def holdout(targets: NDArray[np.integer], last: NDArray[np.integer], n_items: int = N_ITEMS) -> Holdout:
    histories = Sequences.from_lists([[int(item)] for item in last], n_items)
    return Holdout(np.arange(len(targets)), targets.astype(np.int32), histories, exclude_seen=False)


@pytest.fixture(scope="module")
def process() -> tuple[dict[str, Table | Shares], Holdout, Holdout]:
    """Chances are exp(0.7 * chain + 1.2 * log trend): of a chain and a trend, with a third that is noise."""
    n_items, rng = 30, np.random.default_rng(5)
    chain = rng.normal(scale=2, size=(n_items + 1, n_items + 1)).astype(np.float32)
    trend, noise = rng.gamma(0.5, size=n_items + 1), rng.random(n_items + 1)
    trend[0] = 0
    known = {"net": Table(chain), "trend": Shares(trend), "noise": Shares(noise)}
    logs = log_shares(known["trend"].score([np.array([1])]))[0]
    logits = 0.7 * chain[:, 1:] + 1.2 * logs[1:]
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)

    def drawn(users: int) -> Holdout:
        last = rng.integers(1, n_items + 1, size=users)
        return holdout(np.array([1 + rng.choice(n_items, p=chances[item]) for item in last]), last, n_items)

    return known, drawn(4_000), drawn(4_000)


def test_the_weights_are_those_of_the_process(
    process: tuple[dict[str, Table | Shares], Holdout, Holdout],
) -> None:
    known, validation, test = process
    learned = learn(known, validation)
    assert learned.weights == pytest.approx({"net": 0.7, "trend": 1.2}, rel=0.1)
    judged = {"learned": learned.weights, "best": {"net": 0.7, "trend": 1.2}, "net": {"net": 1.0}}
    ndcg = {
        name: per_user("ndcg@10", rank_targets(Blend.of(known, weights), test)).mean()
        for name, weights in judged.items()
    }
    assert ndcg["learned"] == pytest.approx(ndcg["best"], abs=0.002)
    assert ndcg["learned"] > ndcg["net"] + 0.05
    # Judged with weights of other users: the estimate is what a test says, and no better.
    assert per_user("ndcg@10", learned.ranks).mean() == pytest.approx(ndcg["learned"], abs=0.015)


def test_few_of_the_best_items_say_the_same_of_the_weights(
    process: tuple[dict[str, Table | Shares], Holdout, Holdout],
) -> None:
    known, validation, _ = process
    whole, few = (choices(known, validation, depth) for depth in (50, 6))
    assert few.features.shape[1] < whole.features.shape[1] == 30
    np.testing.assert_allclose(fit(few, [0, 1])[0], fit(whole, [0, 1])[0], rtol=0.12)


def test_nobody_is_judged_with_weights_of_their_own(
    process: tuple[dict[str, Table | Shares], Holdout, Holdout],
) -> None:
    """A second play of a user is in the same half as the first."""
    known, validation, _ = process
    some = validation.rows(np.repeat(np.arange(400), 2))
    chosen = choices(known, some)
    assert set(np.unique(chosen.users)) <= set(range(400))
    half = choose(chosen.rows(chosen.users % 2 == 1), list(known), ["net"])
    ranks = learn(known, some).ranks
    even = some.rows(np.flatnonzero(some.users % 2 == 0))
    np.testing.assert_array_equal(ranks[some.users % 2 == 0], rank_targets(Blend.of(known, half), even))


def test_what_gains_nothing_is_no_blend() -> None:
    rng = np.random.default_rng(2)
    table = random_table(3)
    last = rng.integers(1, N_ITEMS + 1, size=400)
    chances = np.exp(table[:, 1:]) / np.exp(table[:, 1:]).sum(axis=1, keepdims=True)
    played = np.array([1 + rng.choice(N_ITEMS, p=chances[item]) for item in last])
    with pytest.raises(NoBlendError, match=r"no blend is surely better than net: NDCG@10 [+-]0\.\d+ \("):
        learn({"net": Table(table), "noise": Shares(rng.random(N_ITEMS + 1))}, holdout(played, last))


def test_of_two_networks_it_is_the_one_that_counting_helps_more(
    process: tuple[dict[str, Table | Shares], Holdout, Holdout],
) -> None:
    """One is better alone, as it knows the trend itself, and a part of the chain."""
    known, validation, _ = process
    net, trend = known["net"], known["trend"]
    assert isinstance(net, Table)
    noise = np.random.default_rng(6).normal(size=net._table.shape).astype(np.float32)
    logs = log_shares(trend.score([np.array([1])]))[0]
    knowing = {"knowing": Table(0.5 * net._table + 0.5 * noise + 1.2 * logs)}
    baselines = {"trend": trend, "noise": known["noise"]}

    def ndcg(ranks: NDArray[np.int32]) -> float:
        return float(per_user("ndcg@10", ranks).mean())

    assert ndcg(rank_targets(knowing["knowing"], validation)) > ndcg(rank_targets(net, validation))
    learned = learn_best([knowing, {"net": net}], baselines, validation)
    assert set(learned.weights) == {"net", "trend"}
    assert learned.weights == learn({"net": net, **baselines}, validation).weights
    with pytest.raises(NoBlendError, match="surely better than knowing"):
        learn_best([knowing], baselines, validation)
    with pytest.raises(NoBlendError, match="surely better than knowing"):
        learn_best([knowing, {"net": net}], {}, validation)


def test_without_plays_there_is_no_blend() -> None:
    with pytest.raises(NoBlendError, match="no validation plays"):
        learn(members(), holdout(np.empty(0, np.int64), np.empty(0, np.int64)))


def write_blend(folder: Path) -> Path:
    """A fake network, a Markov chain and recent popularity, fitted to a few histories."""
    items_folder = write_fake_bundle(folder / MEMBERS_FOLDER / "sums", random_table(0))
    columns = json.loads((items_folder / "items.json").read_text())
    items = ItemTable(columns["ids"], columns["titles"], np.array(columns["counts"]))
    rng = np.random.default_rng(6)
    train = Sequences.from_lists(rng.integers(1, N_ITEMS + 1, size=(60, 5)).tolist(), N_ITEMS)
    facts = Facts(items.ids, np.arange(len(train.items)), exclude_seen=True)
    for kind in (Markov, RecentPopularity):
        baseline_bundle(
            folder / MEMBERS_FOLDER / kind.architecture, kind.fit(train, None, facts), items, ORIGIN, {}
        )
    config = {
        WEIGHTS: {"sums": 0.8, "markov": 0.3, "recent_popularity": 0.25},
        PRIOR: asdict(Prior(NEWEST_MS, HALF_LIFE_MS, PLAYS)),
    }
    blend_bundle(folder, config, items, ORIGIN, {"ndcg@10": 0.3})
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_blend(tmp_path_factory.mktemp("blend") / "blend")


def test_a_bundle_gives_the_scores_of_its_members(bundle: Path) -> None:
    opened, manifest = open_scorer(bundle), read_manifest(bundle)
    assert isinstance(opened, Blend)
    assert (manifest.architecture, manifest.max_length, manifest.metrics) == (BLEND, 5, {"ndcg@10": 0.3})
    alone = {name: open_scorer(bundle / MEMBERS_FOLDER / name) for name in manifest.config[WEIGHTS]}
    history = np.array([3, 7, 11])
    expected = by_a_loop(alone, manifest.config[WEIGHTS], history)
    np.testing.assert_allclose(opened.score([history])[0, 1:], expected, rtol=1e-4, atol=1e-4)
    check_golden(bundle)
    network = alone["sums"]
    assert isinstance(network, OnnxScorer)
    np.testing.assert_array_equal(opened.similarities(3), network.similarities(3))
    some = np.array([5, 6])
    np.testing.assert_array_equal(opened.score_items([history], some), network.score_items([history], some))


def test_its_bytes_follow_from_its_members(bundle: Path, tmp_path: Path) -> None:
    assert bundle_hash(write_blend(tmp_path / "again")) == bundle_hash(bundle)


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ("gone", "is not a bundle"),
        ("weights", "does not hold the weights"),
        ("other items", "of other items"),
        ("no weights", "no weights of its members"),
        ("a negative weight", "no weights of its members"),
        ("no network", "needs a network"),
        ("no prior", "its prior"),
    ],
)
def test_what_is_broken_is_told_in_a_sentence(bundle: Path, tmp_path: Path, broken: str, why: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(bundle, folder)
    member, manifest = folder / MEMBERS_FOLDER / "markov", json.loads((folder / MANIFEST_FILE).read_text())
    if broken == "gone":
        shutil.rmtree(member)
    elif broken == "weights":
        (member / "weights.safetensors").write_bytes(b"nothing")
    elif broken == "other items":
        theirs = json.loads((member / MANIFEST_FILE).read_text())
        (member / MANIFEST_FILE).write_text(json.dumps(theirs | {"vocabulary_hash": "another"}))
    elif broken == "no prior":
        config = manifest["config"] | {PRIOR: {"newest_ms": "today"}}
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {"config": config}))
    else:
        weights = {"no weights": {}, "a negative weight": {"sums": -1.0}, "no network": {"markov": 1.0}}[
            broken
        ]
        (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {"config": {WEIGHTS: weights}}))
    with pytest.raises(BundleError, match=why) as told:
        open_scorer(folder)
    assert str(folder) in str(told.value)
    if broken in ("gone", "weights", "other items"):
        assert "The member markov of the blend" in str(told.value)
