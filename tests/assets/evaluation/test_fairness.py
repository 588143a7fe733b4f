"""Champion and candidate are compared on plays that neither has learned from; a case computed by hand.

140 players: a at 1, b at 2, c at 4, d at 6, and 120 of them e at 8; 10 others f at 1 and g at 2. Cut at 4 and
6, the test play of the split is d; of a champion whose split was cut at 4 and 8 it is e.
"""

from math import log2
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.evaluation.fairness import fair_match, read_test
from assets.evaluation.leaderboard import leaderboard, leaderboard_rows
from assets.resources import Cleaning, Home, Source, Splitting, Training
from assets.sequences import sequences
from assets.sequences.loading import load_items
from assets.state.lake import fingerprint, write_parquet
from assets.training.bundling import data_fingerprint
from models.baselines import BASELINES, Popularity
from models.baselines.bundles import baseline_bundle
from models.bundle.bundle import ItemTable, bundle_hash
from models.data import Sequences, holdout_at
from models.networks import NETWORKS
from models.writing import Origin
from serving.state.pointer import Pointer

PLAYS = [("a", 1), ("b", 2), ("c", 4), ("d", 6), ("e", 8)]


def core(with_e: int = 120) -> list[tuple[str, str, int, int]]:
    """User, item, position and time of each play."""
    rows = []
    for user in range(140):
        plays = PLAYS if user < with_e else PLAYS[:4]
        rows += [(f"u{user:03}", item, n, time) for n, (item, time) in enumerate(plays)]
    for user in range(10):
        rows += [(f"v{user}", "f", 0, 1), (f"v{user}", "g", 1, 2)]
    return rows


def made(tmp_path: Path, plays: list[tuple[str, str, int, int]], splitting: Splitting) -> Home:
    home = Home(path=str(tmp_path))
    tables = {
        "core_interactions": "FROM core",
        "catalogue": "SELECT 'a' AS item_id, 'A' AS title, CAST([] AS VARCHAR[]) AS genres, "
        "CAST([] AS VARCHAR[]) AS tags, CAST(1 AS DOUBLE) AS price, '' AS release_date, "
        "false AS early_access, CAST(NULL AS VARCHAR) AS attributes",
        "item_names": "SELECT 'a' AS item_id, 'A' AS name",
    }
    for table, query in tables.items():

        def write(path: Path, query: str = query) -> None:
            with home.lake().connect() as connection:
                connection.execute(
                    "CREATE TABLE core (user_id VARCHAR, item_id VARCHAR, position INTEGER, "
                    "timestamp BIGINT, playtime INTEGER)"
                )
                connection.executemany("INSERT INTO core VALUES (?, ?, ?, ?, NULL)", plays)
                write_parquet(connection, query, path)

        home.lake().publish(table, fingerprint(table, plays), write)
    assert dg.materialize(
        [sequences.sequences],
        resources={"home": home, "cleaning": Cleaning(), "splitting": splitting},
        instance=dg.DagsterInstance.ephemeral(),
    ).success
    return home


def bundle(
    home: Home, name: str, order: str, items: str, data: str = "unknown", split: str = "temporal (4,6)"
) -> Path:
    """A bundle that knows `items` and likes those of `order`, best first; `data` is its data fingerprint."""
    ids = ["", *items]
    popular = [[ids.index(item)] * (len(order) - n) for n, item in enumerate(order)]
    fitted = Popularity.fit(Sequences.from_lists(popular, len(items)))
    table = ItemTable(ids, ids, np.zeros(len(ids), dtype=np.int64))

    def write(folder: Path) -> None:
        baseline_bundle(folder, fitted, table, Origin(data, "", "", split), {"ndcg@10": 0.5}, k=1)

    return home.bundles().publish(name, fingerprint(name, order, items), write)


def crown(home: Home, folder: Path) -> None:
    pointer = Pointer(str(folder), "1", bundle_hash(folder), promoted_at=0.0)
    home.pointer_file.write_text(pointer.to_json())


def judge(home: Home) -> dict[str, float]:
    """NDCG@10 of each model."""
    for name in [*BASELINES, *NETWORKS]:
        bundle(home, name, "eg", "abcdefg")
    result = dg.materialize(
        [leaderboard],
        resources={"home": home, "source": Source(name="table"), "training": Training()},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    return {row["model"]: row["ndcg_at_10"] for row in leaderboard_rows(home.lake())}


TEMPORAL = Splitting(split="temporal", cutoffs="4,6")
LATER = Splitting(split="temporal", cutoffs="4,8")


def test_a_champion_that_learned_from_more_is_met_on_plays_that_it_has_not_seen(tmp_path: Path) -> None:
    home = made(tmp_path, core(), LATER)
    crown(home, bundle(home, "champion", "fg", "abcdfg", data_fingerprint(home.lake())))
    made(tmp_path, core(), TEMPORAL)
    found = judge(home)
    test, ids = read_test(home.lake()), load_items(home.lake()).ids
    assert len(test) == 120
    assert {ids[target] for target in test.targets} == {"e"}
    assert [ids[item] for item in test.histories.user(0)] == ["a", "b", "c", "d"]
    # Of e, f and g, which nobody has seen: the candidate puts e first. The champion does not know e, which
    # it can never recommend: a miss, though only three items are left.
    assert found["sasrec"] == pytest.approx(1.0)
    assert found["champion"] == 0


@pytest.mark.slow
def test_with_too_few_such_plays_it_is_met_on_the_test_of_the_split_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = made(tmp_path, core(with_e=99), LATER)
    folder = bundle(home, "champion", "d", "abcdfg", data_fingerprint(home.lake()), "temporal (4,8)")
    crown(home, folder)
    made(tmp_path, core(with_e=99), TEMPORAL)
    match = fair_match(home)
    assert (match.champion, match.since) == (folder, None)
    assert "may have learned from what it is tested on" in caplog.text
    found = judge(home)
    test, ids = read_test(home.lake()), load_items(home.lake()).ids
    assert (len(test), {ids[target] for target in test.targets}) == (140 + 99, {"d", "e"})
    # Of d, e, f and g the champion puts d first; the candidate puts e and g before it, and f is tied with it.
    # Of e, f and g the candidate puts e first, which the champion does not know.
    assert found["champion"] == pytest.approx(140 / 239)
    assert found["sasrec"] == pytest.approx((140 / log2(1 + 4) + 99) / 239)


@pytest.mark.slow
def test_a_champion_of_the_same_split_is_met_on_its_test(tmp_path: Path) -> None:
    home = made(tmp_path, core(), TEMPORAL)
    folder = bundle(home, "champion", "d", "abcdefg", data_fingerprint(home.lake()))
    crown(home, folder)
    match = fair_match(home)
    assert (match.champion, match.since, len(match.test)) == (folder, None, 140 + 120)


@pytest.mark.slow
def test_a_champion_that_was_split_otherwise_is_met_on_plays_that_it_has_not_learned_from(
    tmp_path: Path,
) -> None:
    """Split leave-one-out it has learned from d of the 120 who played e last, and held back e and their d."""
    home = made(tmp_path, core(), Splitting(split="leave-one-out"))
    folder = bundle(home, "champion", "d", "abcdfg", data_fingerprint(home.lake()), "leave-one-out")
    crown(home, folder)
    made(tmp_path, core(), TEMPORAL)
    match = fair_match(home)
    ids = load_items(home.lake()).ids
    held = [(int(user), ids[item]) for user, item in zip(match.test.users, match.test.targets, strict=True)]
    assert match.champion == folder
    assert held == [*((user, "e") for user in range(120)), *((user, "d") for user in range(120, 140))]
    assert match.note == (
        "140 of 260 test plays: from the others the champion, split leave-one-out, has learned"
    )


@pytest.mark.slow
def test_a_champion_that_has_learned_from_nearly_all_test_plays_is_no_hurdle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plays = core(with_e=0)
    home = made(tmp_path, [*plays, *((user, "e", 4, 8) for user, item, *_ in plays if item == "d")],
                Splitting(split="leave-one-out"))  # fmt: skip
    folder = bundle(home, "champion", "d", "abcdfg", data_fingerprint(home.lake()), "leave-one-out")
    crown(home, folder)
    later = [*core(with_e=0), *((f"u{user:03}", "e", 4, 8) for user in range(99))]
    made(tmp_path, later, Splitting(split="temporal", cutoffs="2,6"))
    assert fair_match(home).champion is None
    assert "no hurdle tonight" in caplog.text


def test_a_broken_champion_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = made(tmp_path, core(), Splitting())
    folder = bundle(home, "champion", "fg", "abcdfg", split="leave-one-out")
    crown(home, folder)
    assert fair_match(home).champion == folder
    (folder / "weights.safetensors").write_bytes(b"")
    assert fair_match(home).champion is None
    assert "cannot be evaluated" in caplog.text


def test_plays_at_positions_are_held_out_with_all_that_comes_before() -> None:
    found = holdout_at(Sequences.from_lists([[1, 2], [3, 1, 2]], 3), np.array([1, 0]), np.array([2, 1]))
    assert (found.users.tolist(), found.targets.tolist()) == ([1, 0], [2, 2])
    assert [found.histories.user(n).tolist() for n in range(2)] == [[3, 1], [1]]
