"""New releases: by hand, on their day, chosen on plays of new items, and beside a network in a blend."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.baselines import Facts, NewReleases, NotApplicableError, new_releases, rate
from models.baselines.base import ndcg
from models.baselines.new_releases import UNTUNED
from models.baselines.rate import ALONE_LOSS, DECIMALS, KNOWN_LOSS, SHARES, bounded_rate, likeliest_rate
from models.blend.learning import learn, with_new
from models.blend.scorer import NEW, Blend, new_items
from models.bundle.attributes import DATE, TEXT, Attribute
from models.bundle.bundle import ItemTable
from models.choice import likeliest
from models.data import Holdout, Sequences
from models.moment import MS_A_DAY, Moment
from models.scorer import Scorer
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
    power, fade, undated = UNTUNED
    assert fitted.config() == {"power": power, "newness_fade": fade, "newness_undated": undated}
    history = [np.array([1, 2])]
    before, after = (
        fitted.score_at(history, Moment.all_at(day(when) * MS_A_DAY + 5, 1))[0]
        for when in ("2018-01-10", "2018-01-21")
    )
    alike = fitted.vectors @ fitted.vectors[1]  # which is as 2 is
    assert np.isneginf(before[[0, 4, 5, 7]]).all()
    assert before[6] == after[6] == pytest.approx(undated * alike[6], rel=1e-5)
    assert after[4] == pytest.approx(11**-fade * alike[4], rel=1e-5)
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


# -- a world in which a share of the plays is of games that came out of late ------------------------

N_OLD, N_NEW, FADE = 30, 60, 1.5
START = day("2018-01-01")


def world(plays: int, seed: int, share: float = 0.1) -> tuple[Facts, Sequences, Holdout]:
    """Old games 1 to 30 in three genres, played by their rank; each day a new one, played less by its age."""
    rng = np.random.default_rng(seed)
    genres = [f"Genre {i % 3}" for i in range(N_OLD + N_NEW)]
    out = [START - 900] * N_OLD + [START + i for i in range(N_NEW)]
    items = table(genres, [str(np.datetime64(when, "D")) for when in out])
    chances = np.arange(1, N_OLD + 1) ** -1.5
    train = Sequences.from_lists(1 + rng.choice(N_OLD, (200, 6), p=chances / chances.sum()), N_OLD + N_NEW)
    facts = Facts(
        times=START * 86_400 - 10_000 + np.arange(1200), exclude_seen=False, items=items, units_a_second=1
    )
    days, fading = rng.integers(1, N_NEW, plays), np.arange(1, N_NEW + 1) ** -FADE
    new = rng.random(plays) < share
    old = rng.choice(N_OLD, plays, p=chances / chances.sum())
    ages = np.array([rng.choice(n, p=fading[:n] / fading[:n].sum()) for n in days])
    targets = np.where(new, N_OLD + days - ages, 1 + old).astype(np.int32)
    histories = Sequences.from_lists(1 + rng.choice(N_OLD, (plays, 2)), N_OLD + N_NEW)
    asked = (START + days - 1) * MS_A_DAY
    return facts, train, Holdout(np.arange(plays), targets, histories, exclude_seen=False, asked_ms=asked)


def network(train: Sequences) -> Table:
    """Knows how popular old games are, and thinks the world of new ones."""
    scores = np.log(np.maximum(train.counts(), 1)).astype(np.float32)
    scores[N_OLD + 1 :] = 20
    rows: NDArray[np.float32] = np.tile(scores, (train.n_items + 1, 1))
    return Table(rows)


def test_of_many_new_items_fewer_plays_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of plays times new items is held whole."""
    facts, train, validation = world(400, 1, share=0.5)
    seen: list[int] = []
    found = likeliest

    def noted(features: NDArray[np.floating], *rest: Any) -> Any:
        seen.append(features.shape[0] * features.shape[1])
        return found(features, *rest)

    monkeypatch.setattr(new_releases, "likeliest", noted)
    monkeypatch.setattr(new_releases, "MOST_CELLS", 100 * N_NEW)
    NewReleases.fit(train, validation, facts)
    assert 50 * N_NEW < max(seen) <= 100 * N_NEW


def test_settings_are_the_likeliest_for_new_items_on_validation() -> None:
    """By a loop over settings around them."""
    facts, train, validation = world(1_500, 1)
    chosen = NewReleases.fit(train, validation, facts)
    new = validation.rows(np.flatnonzero(validation.targets > N_OLD))
    assert new.moment is not None

    def likelihood(model: NewReleases) -> float:
        scores = model.score_at([new.histories.user(row) for row in range(len(new))], new.moment)
        out = np.maximum(scores[:, N_OLD + 1 :], 0)
        return float(np.log(out[np.arange(len(new)), new.targets - N_OLD - 1] / out.sum(axis=1)).mean())

    best = likelihood(chosen)
    assert best > likelihood(replace(chosen, power=1.0, fade=0.7)) + 0.5
    for changes in ({"power": chosen.power + 0.05}, {"fade": chosen.fade + 0.1}, {"fade": chosen.fade - 0.1}):
        assert likelihood(replace(chosen, **changes)) < best, changes
    assert chosen.fade == pytest.approx(FADE, abs=0.3)
    assert ndcg(chosen, new) > 0.5
    assert chosen.refit(train, facts).config() == chosen.config()


def test_what_has_no_date_is_as_likely_as_it_was() -> None:
    """As many plays of new items are expected of those without a date as there were."""
    items = table(["Puzzle"] * 10, ["2016-01-01"] * 2 + ["2018-01-02"] * 4 + [None] * 4)
    facts = replace(FACTS, items=items)
    train = Sequences.from_lists([[1, 2], [2, 1]], 10)
    asked = np.full(400, day("2018-01-02") * MS_A_DAY)  # on the day of the others
    histories = [np.array([1])] * 400
    for played, undated in (([3, 4, 5, 7], 100), ([3, 4, 7, 8], 200)):
        held = Holdout(
            np.arange(400), np.tile(played, 100).astype(np.int32), Sequences.from_lists(histories, 10),
            exclude_seen=False, asked_ms=asked,
        )  # fmt: skip
        scores = np.maximum(NewReleases.fit(train, held, facts).score_at(histories, Moment(asked)), 0)
        expected = (scores[:, 7:].sum(axis=1) / scores.sum(axis=1)).sum()
        assert expected == pytest.approx(undated, rel=0.01)


def test_a_bundle_from_before_scores_as_it_did(tmp_path: Path) -> None:
    fitted = replace(NewReleases.fit(TRAIN, None, FACTS), half_life=30.0, power=2.0, undated=0.1)
    fitted.save(tmp_path)
    opened, history = NewReleases.load(tmp_path), [np.array([1, 2])]
    moment = Moment.all_at(day("2018-01-21") * MS_A_DAY, 1)
    scores = opened.score_at(history, moment)[0]
    alike = opened.vectors @ opened.vectors[1]
    assert scores[4] == pytest.approx(0.5 ** (10 / 30) * alike[4] ** 2, rel=1e-5)
    assert scores[6] == pytest.approx(0.1 * alike[6] ** 2, rel=1e-5)
    assert not opened.of_chances
    assert opened.refit(TRAIN, FACTS).config() == {"power": 2.0, "newness_half_life": 30.0}
    now = NewReleases.fit(TRAIN, None, FACTS)
    now.save(tmp_path)
    np.testing.assert_array_equal(NewReleases.load(tmp_path).score(history), now.score(history))


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


def test_the_rate_is_that_of_the_process_or_a_part_of_it() -> None:
    facts, train, validation = world(2_000, 4)
    members = {"net": network(train), NEW: NewReleases.fit(train, validation, facts)}
    found = new_items(members)
    assert found is not None and found.sum() == N_NEW and not found[: N_OLD + 1].any()
    rate = likeliest_rate(Blend.of(members, {"net": 1.0, NEW: 1.0}), np.exp, validation, found)
    blend = Blend.of(members, {"net": 1.0, NEW: rate})
    histories = [validation.histories.user(row) for row in range(len(validation))]
    chances = np.exp(blend.score_at(histories, validation.moment))
    expected = chances[:, found].sum(axis=1) / chances.sum(axis=1)
    new = validation.targets > N_OLD
    assert expected.sum() == pytest.approx(new.sum(), rel=0.01)
    np.testing.assert_allclose(chances[:, 1 : N_OLD + 1].sum(axis=1), 1, rtol=1e-5)
    kept = with_new(members, {"net": 1.0}, validation)
    known = validation.rows(np.flatnonzero(~new))
    least = (1 - KNOWN_LOSS) * ndcg(Blend.of(members, {"net": 1.0, NEW: 1e-6}), known)
    assert 0 < kept[NEW] <= round(rate, DECIMALS)
    assert ndcg(Blend.of(members, kept), known) >= least
    assert with_new(members, {"net": 1.0}, known) == {"net": 1.0}, "nothing is known of new items then"


def with_many_new_plays() -> tuple[
    dict[str, Any], Holdout, Holdout, NDArray[np.bool_], Callable[[float], Blend]
]:
    """A network and new releases, all plays, those of known items, what is new, and the blend of a rate."""
    facts, train, validation = world(1_500, 7, share=0.4)
    members: dict[str, Any] = {"net": network(train), NEW: NewReleases.fit(train, validation, facts)}
    known, new = validation.rows(np.flatnonzero(validation.targets <= N_OLD)), new_items(members)
    assert new is not None
    return members, validation, known, new, lambda rate: Blend.of(members, {"net": 1.0, NEW: rate})


def test_of_the_rates_that_known_items_can_bear_it_is_the_best_for_all_plays() -> None:
    members, validation, known, new, of = with_many_new_plays()

    likely = likeliest_rate(of(1.0), np.exp, validation, new)
    rates = [round(share * likely, DECIMALS) for share in SHARES]
    bearable = [r for r in rates if ndcg(of(r), known) >= (1 - KNOWN_LOSS) * ndcg(of(1e-6), known)]
    assert 0 < len(bearable) < len(rates), "some cost too much, and some do not"
    assert with_new(members, {"net": 1.0}, validation)[NEW] == max(
        bearable, key=lambda rate: ndcg(of(rate), validation)
    )


def test_known_items_lose_no_more_than_was_gained_on_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside what could serve alone, and is as good, worse or better on known items."""
    members, validation, known, new, of = with_many_new_plays()

    def rate_beside(*alone: Scorer) -> float:
        return bounded_rate(of, np.exp, validation, new, alone)

    as_good, worse = of(10.0**-DECIMALS), Table(-members["net"]._table)
    least = (1 - ALONE_LOSS) * ndcg(as_good, known)
    free, bound = rate_beside(), rate_beside(as_good)
    assert ndcg(worse, known) < ndcg(of(free), known) < least <= ndcg(of(bound), known)
    assert free == rate_beside(worse) > bound == rate_beside(worse, as_good) > 0
    monkeypatch.setattr(rate, "ALONE_LOSS", -0.1)  # as if it were by a tenth better
    assert rate_beside(as_good) == 0


def test_what_is_not_out_has_no_score_in_a_blend() -> None:
    facts, train, validation = world(200, 5)
    members = {"net": network(train), NEW: NewReleases.fit(train, validation, facts)}
    blend = Blend.of(members, {"net": 1.0, NEW: 0.5})
    scores = blend.score_at([np.array([1])], Moment.all_at((START + 3) * MS_A_DAY, 1))[0]
    assert np.isfinite(scores[1 : N_OLD + 5]).all() and np.isneginf(scores[N_OLD + 5 :]).all()


def test_in_a_blend_from_before_new_releases_are_a_member_like_others() -> None:
    facts, train, validation = world(200, 6)
    old = replace(NewReleases.fit(train, validation, facts), half_life=7.0)
    blend = Blend.of({"net": network(train), NEW: old}, {"net": 1.0, NEW: 2.0})
    scores = blend.score_at([np.array([1])], Moment.all_at(START * MS_A_DAY, 1))[0]
    plain = network(train).score([np.array([1])])[0]
    np.testing.assert_allclose(scores[1 : N_OLD + 1], plain[1 : N_OLD + 1], rtol=1e-6)
    assert np.isfinite(scores[1:]).all() and scores[N_OLD + 1] > plain[1 : N_OLD + 1].min()
