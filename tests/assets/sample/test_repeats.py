"""The sample in which things are played again: what its chances are, and that nobody ranks better."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sample import repeats
from assets.sample.process import SampleProcess
from assets.sample.repeats import (
    AGAIN,
    FADES,
    RECENT,
    RepeatingOptimum,
    chances_again,
    with_repeats,
    write_repeating_sample,
)
from models.baselines import Facts, Markov, MostFrequent, MostRecent, Popularity
from models.bundle.bundle import ItemTable
from models.data import Sequences, leave_one_out
from models.evaluation.metrics import per_user, rank_targets
from pipelines.resources import Settings, resources

SEED = 20181114


@pytest.fixture(scope="module")
def process() -> SampleProcess:
    return SampleProcess.from_seed("tiny", SEED)


def item_table(process: SampleProcess) -> ItemTable:
    ids = ["", *process.game_ids]
    return ItemTable(ids, ids, np.ones(len(ids), dtype=np.int64))


@given(st.permutations(range(30)), st.integers(0, 1000))
def test_what_is_new_is_what_the_process_gives_in_its_order(new: list[int], seed: int) -> None:
    played = with_repeats(np.random.default_rng(seed), new)
    assert len(played) == len(new)
    firsts = list(dict.fromkeys(played))
    assert firsts == new[: len(firsts)]
    for step, game in enumerate(played):
        before = list(dict.fromkeys(played[:step][::-1]))
        assert game not in before or game in before[:RECENT]


def test_games_come_again_by_how_recently_they_were_played() -> None:
    games, chances = chances_again([5, 3, 5, 9])
    assert games.tolist() == [9, 5, 3]
    odds = np.array([1, FADES, FADES**2])
    assert chances == pytest.approx(odds / odds.sum())


@given(st.lists(st.integers(0, 79), min_size=1, max_size=25))
@settings(deadline=None, max_examples=20)
def test_the_chances_of_the_next_play_are_those_of_both_ways(history: list[int]) -> None:
    process = SampleProcess.from_seed("tiny", SEED)
    (chances,) = RepeatingOptimum("tiny", SEED, item_table(process)).chances([np.array(history)])
    assert chances.sum() == pytest.approx(1)
    assert chances[history].sum() == 0 or chances[list(set(history))].sum() == pytest.approx(AGAIN)
    new = process.next_distribution(list(dict.fromkeys(history)))
    unseen = [game for game in range(process.n_games) if game not in history]
    np.testing.assert_allclose(chances[unseen], (1 - AGAIN) * new[unseen])


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_no_model_ranks_better_than_the_optimum(process: SampleProcess, exclude_seen: bool) -> None:
    rng = np.random.default_rng(0)
    new = process.sample_users(rng, process.sample_lengths(rng, 1500))
    played = [[game + 1 for game in with_repeats(rng, games)] for games in new]
    split = leave_one_out(Sequences.from_lists(played, process.n_games), exclude_seen)
    assert 0.5 < split.test.repeated().mean() < 0.65

    def ndcg(scorer: object) -> float:
        return float(per_user("ndcg@10", rank_targets(scorer, split.test)).mean())  # type: ignore[arg-type]

    best = ndcg(RepeatingOptimum("tiny", SEED, item_table(process)))
    facts = Facts(exclude_seen=exclude_seen)
    kinds = [Popularity, Markov, *([] if exclude_seen else [MostRecent, MostFrequent])]
    assert all(ndcg(kind.fit(split.train, split.validation, facts)) < 0.95 * best for kind in kinds)


def test_the_same_size_and_seed_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "PLAYERS_AT_ONCE", 100)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_repeating_sample(tmp_path / name, "tiny", seed)
    one, same, other = ((tmp_path / name / repeats.PLAYS_FILE).read_bytes() for name in "abc")
    assert one == same != other
    lines = gzip.decompress(one).decode().splitlines()
    assert lines[0] == "user_id,item_id,timestamp"
    users: dict[str, list[str]] = {}
    for user, _, time in (line.split(",") for line in lines[1:]):
        users.setdefault(user, []).append(time)
    assert all(times == sorted(set(times)) for times in users.values()), (
        "the order of the file is that of time"
    )


def test_its_repeats_are_kept_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    def kept(**given: str) -> str:
        return str(resources(Settings(home=tmp_path, **given))["cleaning"].repeats)  # type: ignore[arg-type]

    assert kept(source="sample-repeats") == "keep"
    assert kept(source="sample-repeats", repeats="first") == "first"
    assert kept(source="sample-dated") == "first"
    assert kept(source="sample-dated", repeats="keep") == "keep"
