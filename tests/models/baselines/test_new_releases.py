"""New releases: by hand, on their day, chosen on plays of new items, and beside a network in a blend."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.baselines import Facts, NewReleases, NotApplicableError
from models.baselines.base import ndcg
from models.baselines.new_releases import HALF_LIVES, POWERS, UNDATED
from models.blend.learning import KNOWN_LOSS, NEW, learn, sparing
from models.blend.scorer import Blend, new_items
from models.bundle.attributes import DATE, TEXT, Attribute
from models.bundle.bundle import ItemTable
from models.data import Holdout, Sequences
from models.moment import MS_A_DAY, Moment
from tests.models.blend.test_blend import Table

GENRES = ["Puzzle", "Puzzle", "Racing", "Puzzle", "Racing", "Puzzle", "Puzzle"]
DATES = ["2016-01-01", "2016-01-01", "2016-01-01", "2018-01-11", "2018-01-11", None, "2018-02-01"]
TRAIN = Sequences.from_lists([[1, 2], [3, 1]], 7)  # 4 to 7 have never been played


def table(genres: list[str], dates: list[str | None]) -> ItemTable:
    ids = ["", *(str(i) for i in range(1, len(genres) + 1))]
    known = {
        "genres": Attribute(TEXT, [None, *([g] for g in genres)]),
        "release_date": Attribute(DATE, [None, *dates]),
    }
    return ItemTable(ids, ids, np.zeros(len(ids), np.int64), known)


def day(text: str) -> int:
    return int(np.datetime64(text, "D").astype(int))


ITEMS = table(GENRES, DATES)
SECONDS = day("2018-01-01") * 86_400 + np.arange(4)
FACTS = Facts(times=SECONDS, exclude_seen=False, items=ITEMS, units_a_second=1)


def test_by_hand_on_two_days() -> None:
    fitted = NewReleases.fit(TRAIN, None, FACTS)
    assert fitted.config() == {"power": POWERS[0], "newness_half_life": HALF_LIVES[0]}
    history = [np.array([1, 2])]
    before, after = (
        fitted.score_at(history, Moment.all_at(day(when) * MS_A_DAY + 5, 1))[0]
        for when in ("2018-01-10", "2018-01-21")
    )
    alike = fitted.vectors @ fitted.vectors[1]  # which is as 2 is
    assert np.isneginf(before[[0, 4, 5, 7]]).all()
    assert before[6] == after[6] == pytest.approx(UNDATED * alike[6], rel=1e-5)
    assert after[4] == pytest.approx(0.5 ** (10 / HALF_LIVES[0]) * alike[4], rel=1e-5)
    assert after[4] > after[5] > 0
    assert np.argsort(-after)[2:5].tolist()[-1] in (2, 3) and after[1] == after[1:4].max() < 0
    assert after[2] == after[3], "as often played"
    np.testing.assert_array_equal(
        fitted.score(history), fitted.score_at(history, Moment.all_at(int(SECONDS[-1]) * 1000, 1))
    )


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (replace(FACTS, units_a_second=None), "no times that are a clock"),
        (replace(FACTS, items=None), "nothing is known"),
        (replace(FACTS, items=table(GENRES, [None] * 7)), "no release date"),
    ],
)
def test_where_it_does_not_apply_it_says_why(facts: Facts, why: str) -> None:
    with pytest.raises(NotApplicableError, match=why):
        NewReleases.fit(TRAIN, None, facts)


# -- a world in which a tenth of the plays is of a game that came out the day before ------------------------

N_OLD, N_NEW = 30, 60
START = day("2018-01-01")


def world(plays: int, seed: int) -> tuple[Facts, Sequences, Holdout]:
    """Old games 1 to 30 in three genres, played by their rank; each day a new one, played on that day."""
    rng = np.random.default_rng(seed)
    genres = [f"Genre {i % 3}" for i in range(N_OLD + N_NEW)]
    out = [START - 900] * N_OLD + [START + i for i in range(N_NEW)]
    items = table(genres, [str(np.datetime64(when, "D")) for when in out])
    chances = 1 / np.arange(1, N_OLD + 1)
    train = Sequences.from_lists(1 + rng.choice(N_OLD, (200, 6), p=chances / chances.sum()), N_OLD + N_NEW)
    facts = Facts(
        times=START * 86_400 - 10_000 + np.arange(1200), exclude_seen=False, items=items, units_a_second=1
    )
    days = rng.integers(1, N_NEW, plays)
    new = rng.random(plays) < 0.1
    old = rng.choice(N_OLD, plays, p=chances / chances.sum())
    targets = np.where(new, N_OLD + days, 1 + old).astype(np.int32)  # what came out the day before
    histories = Sequences.from_lists(1 + rng.choice(N_OLD, (plays, 2)), N_OLD + N_NEW)
    asked = (START + days) * MS_A_DAY
    return facts, train, Holdout(np.arange(plays), targets, histories, exclude_seen=False, asked_ms=asked)


def network(train: Sequences) -> Table:
    """Knows how popular old games are, and thinks the world of new ones."""
    scores = np.log(np.maximum(train.counts(), 1)).astype(np.float32)
    scores[N_OLD + 1 :] = 20
    rows: NDArray[np.float32] = np.tile(scores, (train.n_items + 1, 1))
    return Table(rows)


def test_settings_are_the_best_for_new_items_on_validation() -> None:
    facts, train, validation = world(1_500, 1)
    chosen = NewReleases.fit(train, validation, facts)
    new = validation.rows(np.flatnonzero(validation.targets > N_OLD))
    tried = {(p, h): ndcg(replace(chosen, power=p, half_life=h), new) for p in POWERS for h in HALF_LIVES}
    assert tried[chosen.power, chosen.half_life] == max(tried.values()) > 0.5
    assert chosen.refit(train, facts).config() == chosen.config()


def test_a_blend_reaches_new_items_and_spares_the_known() -> None:
    facts, train, validation = world(3_000, 2)
    members = {"net": network(train), NEW: NewReleases.fit(train, validation, facts)}
    learned = learn(members, validation)
    assert set(learned.weights) == {"net", NEW}
    *_, test = world(2_000, 3)
    new = test.targets > N_OLD
    blend, alone = Blend.of(members, learned.weights), Blend.of(members, {"net": 1.0})
    known = test.rows(np.flatnonzero(~new))
    popular = Table(members["net"]._table.copy())
    popular._table[:, N_OLD + 1 :] = -20  # the network without what it knows nothing of
    assert ndcg(blend, test.rows(np.flatnonzero(new))) > 0.03
    assert ndcg(blend, known) > 0.98 * ndcg(popular, known)
    assert ndcg(blend, test) > ndcg(popular, test) > ndcg(alone, test)


def test_of_a_weight_that_costs_the_known_too_much_a_part_is_left() -> None:
    facts, train, validation = world(1_000, 4)
    members = {"net": network(train), NEW: NewReleases.fit(train, validation, facts)}
    assert sparing(members, {"net": 1.0}, validation) == {"net": 1.0}
    kept = sparing(members, {"net": 1.0, NEW: 2.0}, validation)
    known = validation.rows(np.flatnonzero(validation.targets <= N_OLD))
    least = (1 - KNOWN_LOSS) * ndcg(Blend.of(members, {"net": 1.0, NEW: 0.001}), known)
    assert kept.get(NEW, 0) < 2.0
    assert ndcg(Blend.of(members, {NEW: 0.001} | kept), known) >= 0.999 * least
    found = new_items(members)
    assert found is not None and found.sum() == N_NEW and not found[: N_OLD + 1].any()
