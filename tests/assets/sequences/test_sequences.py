"""The item vocabulary and the sequences, as made and as loaded."""

from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.engines.engine import DuckDB
from assets.engines.sql import statement
from assets.formats.timestamps import units_a_second
from assets.resources import Cleaning, Home, Splitting
from assets.sequences import sequences
from assets.sequences.loading import (
    TABLES,
    in_ms,
    load_items,
    load_sequences,
    load_split,
    load_times,
)
from assets.sequences.splitting import AUTO, CUTOFFS, FEWEST_TEST_USERS, Cutoffs, SplitError, make_splits
from assets.sequences.why_split import why_split
from assets.state.lake import Lake, LakeError
from models.bundle.bundle import Manifest, write_bundle
from models.data import Sequences, labelled, leave_one_out
from models.evaluation.evidence import Policy
from serving.state.pointer import Pointer
from tests.support.tables import publish

PLAYED = {"u2": ["9", "10", "100", "7"], "u10": ["7", "9", "10"], "u1": ["100", "é"]}
CORE = [(user, item, n, 61, None) for user, items in PLAYED.items() for n, item in enumerate(items)]


def home_in(folder: Path) -> Home:
    home = Home(path=str(folder))
    publish(home.lake(), "core_interactions", CORE)
    publish(home.lake(), "catalogue", [("7", "Seven"), ("9", None), ("555", "Played by nobody")])
    publish(home.lake(), "item_names", [("7", "seven"), ("9", "nine"), ("10", "ten")])
    publish(home.lake(), "listed_items", [])
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_in(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home whose sequences are made, for reading alone."""
    home = home_in(tmp_path_factory.mktemp("made"))
    materialize(home)
    return home


def materialize(
    home: Home, checks: bool = False, splitting: Splitting | None = None
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [sequences.sequences, *(sequences.SEQUENCES_CHECKS if checks else [])],
        resources={"home": home, "cleaning": Cleaning(), "splitting": splitting or Splitting()},
        instance=dg.DagsterInstance.ephemeral(),
    )


def rows(lake: Lake, table: str) -> list[tuple[Any, ...]]:
    with lake.connect(table) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_the_vocabulary_is_in_the_order_of_the_ids_with_the_best_titles(home: Home) -> None:
    result = materialize(home, checks=True)
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(sequences.SEQUENCES_CHECKS)
    assert all(evaluation.passed for evaluation in evaluations)
    with home.lake().connect("items") as connection:
        found = connection.execute("SELECT item_index, item_id, title, count FROM items").fetchall()
    assert found == [
        (1, "10", "ten", 1),  # twice played, once held out
        (2, "100", "100", 1),
        (3, "7", "Seven", 1),
        (4, "9", "nine", 1),
        (5, "é", "é", 1),
    ]


def test_what_the_catalogue_knows_of_an_item_goes_with_it(home: Home) -> None:
    described = [
        (
            "7",
            "Seven",
            ["Action", "Indie"],
            ["2D"],
            9.99,
            "Jan 2017",
            True,
            '{"studio": "A", "players": "4"}',
        ),
        ("9", "Nine", [], [], None, "soon", None, '{"studio": "B|C", "patched": "2020-02-03"}'),
        ("10", "Ten", ["Action"], [], 0.0, "2018-11-14", False, '{"vr": "true", "players": "1.5"}'),
    ]
    publish(home.lake(), "catalogue", described)
    assert materialize(home, checks=True).success
    items = load_items(home.lake())
    found = {
        name: (of.kind, dict(zip(items.ids, of.values, strict=True))) for name, of in items.attributes.items()
    }
    nothing = dict.fromkeys(items.ids)
    assert found == {
        "genres": ("text", nothing | {"7": ["Action", "Indie"], "10": ["Action"]}),
        "tags": ("text", nothing | {"7": ["2D"]}),
        "price": ("number", nothing | {"7": 9.99, "10": 0.0}),
        "release_date": ("date", nothing | {"7": "2017-01-01", "10": "2018-11-14"}),
        "early_access": ("flag", nothing | {"7": True, "10": False}),
        "studio": ("text", nothing | {"7": ["A"], "9": ["B", "C"]}),
        "players": ("number", nothing | {"7": 4.0, "10": 1.5}),
        "patched": ("date", nothing | {"9": "2020-02-03"}),
        "vr": ("flag", nothing | {"10": True}),
    }


def test_a_catalogue_that_knows_nothing_gives_no_attributes(made: Home) -> None:
    assert load_items(made.lake()).attributes == {}


def test_the_sequences_are_split_leave_one_out(made: Home) -> None:
    assert [row[:5] for row in rows(made.lake(), "sequences")] == [
        (0, "u1", 0, 2, "train"), (0, "u1", 1, 5, "train"),
        (1, "u10", 0, 3, "train"), (1, "u10", 1, 4, "validation"), (1, "u10", 2, 1, "test"),
        (2, "u2", 0, 4, "train"), (2, "u2", 1, 1, "train"), (2, "u2", 2, 2, "validation"),
        (2, "u2", 3, 3, "test"),
    ]  # fmt: skip


def test_what_is_loaded_is_what_was_made(made: Home) -> None:
    loaded, user_ids = load_sequences(made.lake())
    items = load_items(made.lake())
    assert user_ids.tolist() == sorted(PLAYED)
    assert {str(user): [items.ids[i] for i in loaded.user(n)] for n, user in enumerate(user_ids)} == PLAYED
    assert (loaded.items.dtype, loaded.offsets.dtype, loaded.n_items) == (np.int32, np.int64, 5)
    assert (items.ids[0], items.titles[0], items.counts[0]) == ("", "", 0)
    assert items.n_items == 5
    assert items.titles[3] == "Seven"


def test_the_split_in_the_table_is_the_split_of_the_models(made: Home) -> None:
    """Two implementations of leave-one-out, SQL and NumPy, have to agree."""
    loaded, _ = load_sequences(made.lake())
    split = leave_one_out(loaded)
    read = load_split(made.lake())
    assert (read.name, read.train.fingerprint()) == ("leave-one-out", split.train.fingerprint())
    assert read.test.histories.fingerprint() == split.test.histories.fingerprint()
    table = rows(made.lake(), "sequences")
    for name, holdout in (("validation", split.validation), ("test", split.test)):
        wanted = [(row[0], row[3]) for row in table if row[4] == name]
        assert list(zip(holdout.users.tolist(), holdout.targets.tolist(), strict=True)) == wanted
    assert split.train.items.tolist() == [row[3] for row in table if row[4] == "train"]
    assert split.train.counts().tolist() == load_items(made.lake()).counts.tolist()


def test_made_twice_the_bytes_are_the_same(home: Home, tmp_path: Path) -> None:
    materialize(home)
    lake = home.lake()
    versions = [lake.current(table) for table in TABLES]
    for version in versions:
        version.path.unlink()
    materialize(home)
    assert [lake.current(table) for table in TABLES] == versions


def test_loading_before_making_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="materialize the asset 'sequences' first"):
        load_sequences(Lake(tmp_path))
    with pytest.raises(LakeError, match="materialize the asset 'items' first"):
        load_items(Lake(tmp_path))


# --- the temporal split

DATED = {
    "u1": [("a", 1), ("b", 2), ("c", 5), ("d", 6), ("e", 9)],  # train, validation, test
    "u2": [("a", 5), ("b", 6), ("c", 8), ("d", 9)],  # unseen in training
    "u3": [("a", 8), ("c", 9)],  # comes after the second cut: the first has nothing before it
    "u4": [("b", 3), ("d", 4), ("e", 4)],  # gone before the first
}


def dated_home(tmp_path: Path, plays: dict[str, list[tuple[str, int | None]]]) -> Home:
    home = Home(path=str(tmp_path / "dated"))
    rows = [(u, i, n, None, time) for u, items in plays.items() for n, (i, time) in enumerate(items)]
    publish(home.lake(), "core_interactions", rows)
    publish(home.lake(), "catalogue", [("a", "A")])
    publish(home.lake(), "item_names", [("a", "A")])
    publish(home.lake(), "listed_items", [])
    return home


def test_the_temporal_split_cuts_all_users_at_the_same_times(tmp_path: Path) -> None:
    home = dated_home(tmp_path, DATED)
    result = materialize(home, checks=True, splitting=Splitting(split="temporal", cutoffs="5,8"))
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    found: dict[str, list[str]] = {}
    for _, user, _, _, part, _ in rows(home.lake(), "sequences"):
        found.setdefault(user, []).append(part)
    assert found == {
        "u1": ["train", "train", "validation", "validation", "test"],
        "u2": ["context", "validation", "test", "test"],
        "u3": ["context", "test"],
        "u4": ["train", "train", "train"],
    }
    assert rows(home.lake(), "split") == [
        ("temporal (5,8)", 5, 8, 5, 3, 4, 2, 2, 0.0, True, 3, 1, "NEXTPLAY_SPLIT=temporal says so")
    ]
    split = load_split(home.lake())
    assert split.name == "temporal (5,8)"
    assert split.test.users.tolist() == [0, 1, 1, 2]
    assert split.test.histories.lengths.tolist() == [4, 2, 3, 1]
    assert load_items(home.lake()).counts.tolist() == [0, 1, 2, 0, 1, 1]


def test_times_go_with_the_plays_of_training_and_with_the_test_items(tmp_path: Path) -> None:
    home = dated_home(tmp_path, DATED)
    materialize(home, splitting=Splitting(split="temporal", cutoffs="5,8"))
    split, times = load_split(home.lake()), load_times(home.lake())
    assert times.train.tolist() == [1, 2, 3, 4, 4]
    assert len(split.train.items) == 5
    sequences, _ = load_sequences(home.lake())
    assert times.gaps(sequences, split.test).tolist() == [9 - 6, 8 - 6, 9 - 8, 9 - 8]  # of u1 to u3
    assert times.gaps(sequences, split.validation).tolist() == [5 - 2, 6 - 5, 6 - 5]
    materialize(home, splitting=Splitting(split="leave-one-out"))
    leave = load_times(home.lake())
    assert leave.train.tolist() == [1, 2, 5, 5, 6, 8, 9, 3]  # u1 and u2 without their last two, u3, u4
    assert leave.gaps(sequences, load_split(home.lake()).test).tolist() == [3, 1, 0]
    assert load_split(home.lake()).test.moment is None, "these numbers only count"


def test_a_held_out_play_is_asked_for_at_its_time(tmp_path: Path) -> None:
    start = 1_500_000_000
    clock = {user: [(item, start + time) for item, time in plays] for user, plays in DATED.items()}
    home = dated_home(tmp_path, clock)
    materialize(home, splitting=Splitting(split="temporal", cutoffs=f"{start + 5},{start + 8}"))
    split = load_split(home.lake())
    for held, times in ((split.validation, [5, 6, 6]), (split.test, [9, 8, 9, 9])):
        assert held.asked_ms is not None
        assert held.asked_ms.tolist() == [(start + time) * 1000 for time in times]


@pytest.mark.parametrize(("unit", "factor"), [(1, 1), (1_000, 1_000), (10**6, 10**6), (10**9, 10**9)])
def test_times_of_any_unit_are_milliseconds_too(unit: float, factor: int) -> None:
    assert in_ms(np.array([1_500_000_000 * factor]), unit).tolist() == [1_500_000_000_000]


@pytest.mark.parametrize(
    ("newest", "unit"),
    [
        (1_500_000_000, 1.0),
        (1_500_000_000_000, 1e3),
        (1_500_000_000_000_000, 1e6),
        (287_106, None),
        (-5, None),
    ],
)
def test_the_unit_of_times_is_told_from_their_size(newest: int, unit: float | None) -> None:
    assert units_a_second(newest) == unit


def test_data_of_which_a_part_has_no_times_count_as_undated(tmp_path: Path) -> None:
    home = dated_home(tmp_path, {"u": [("a", 1), ("b", None), ("c", 3)], "v": [("a", 1)]})
    materialize(home)
    assert load_times(home.lake()) is None


def test_shares_cut_where_that_share_of_the_plays_lies_before(tmp_path: Path) -> None:
    plays = {f"u{n}": [(item, 10 * n + t) for t, item in enumerate("abcdefghij")] for n in range(10)}
    plays["late"] = [("a", 0), ("b", 85), ("c", 99)]
    home = dated_home(tmp_path, plays)
    assert materialize(home, splitting=Splitting(split="temporal", cutoffs="0.8,0.9")).success
    ((_, validation, test, train, *_),) = rows(home.lake(), "split")
    assert 0.75 < train / 103 <= 0.8
    assert (validation, test) == (81, 90)  # the 83rd and the 93rd of 103 times


@pytest.mark.parametrize(
    ("plays", "cutoffs", "sentence"),
    [
        ({"u": [("a", None), ("b", None)]}, "0.8,0.9", "NEXTPLAY_SPLIT=temporal needs plays with a time"),
        (DATED, "5,80", "NEXTPLAY_CUTOFFS cut at 5 and 80, and the plays run from 1 to 9"),
        (DATED, "2017-01-01,2018-01-01", "dates are microseconds"),
        ({"u": [("a", 1), ("b", 9)], "v": [("a", 5)]}, "5,8", "leaves nothing for validation"),
    ],
)
def test_data_that_cannot_be_split_in_time_are_told(
    tmp_path: Path, plays: dict[str, list[tuple[str, int | None]]], cutoffs: str, sentence: str
) -> None:
    with pytest.raises(dg.Failure) as caught:
        materialize(dated_home(tmp_path, plays), splitting=Splitting(split="temporal", cutoffs=cutoffs))
    assert sentence in str(caught.value.description) and "\n" not in str(caught.value.description)


def test_users_too_short_for_a_split_are_told(home: Home) -> None:
    publish(home.lake(), "core_interactions", [row for row in CORE if row[0] == "u1"])
    with pytest.raises(dg.Failure) as caught:
        materialize(home)
    assert caught.value.description == (
        "NEXTPLAY_SPLIT=leave-one-out leaves no plays for validation and test, as no user has three left: "
        "set a smaller NEXTPLAY_CORE, or bring more plays of the same users."
    )
    assert not home.lake().has("sequences")


@pytest.mark.parametrize(
    ("text", "cutoffs"),
    [
        ("0.8, 0.9", (0.8, 0.9)),
        ("5,8", (5, 8)),
        ("1970-01-02,1970-01-02T01:00+00:00", (86_400 * 10**6, 90_000 * 10**6)),
    ],
)
def test_cutoffs_are_shares_numbers_or_dates(text: str, cutoffs: tuple[float, float]) -> None:
    found = Cutoffs.from_text(text)
    assert (found.validation, found.test) == cutoffs


@pytest.mark.parametrize(
    "text", ["", "0.8", "0.9,0.8", "0.8,1.5", "0.1,0.2,0.3", "2017-01-01,9", "soon,later"]
)
def test_other_cutoffs_are_refused(text: str) -> None:
    with pytest.raises(SplitError, match=r"The cut-offs .* give two rising shares"):
        Cutoffs.from_text(text)


# --- which split the data get where none is set

CORE_COLUMNS = "user_id VARCHAR, item_id VARCHAR, position INTEGER, timestamp BIGINT"
DAY = 86_400
SINCE = 1_400_000_000


def played_daily(users: int, unit: int = 1) -> dict[str, list[tuple[str, int | None]]]:
    """Users who each play five things on five days, one after the other."""
    return {f"u{n:02}": [(item, (SINCE + (n + t) * DAY) * unit) for t, item in enumerate("abcde")]
            for n in range(users)}  # fmt: skip


def split_of(
    plays: dict[str, list[tuple[str, int | None]]], split: str = AUTO, cutoffs: str = CUTOFFS
) -> dict[str, Any]:
    """What `make_splits` says of these plays."""
    with duckdb.connect() as connection:
        flat = pa.table(
            {
                "user_id": [user for user, of_user in plays.items() for _ in of_user],
                "item_id": [item for of_user in plays.values() for item, _ in of_user],
                "position": [n for of_user in plays.values() for n in range(len(of_user))],
                "timestamp": pa.array(
                    [time for of_user in plays.values() for _, time in of_user], pa.int64()
                ),
            }
        )
        connection.register("core_interactions", flat)
        seen = {"repeated_share": 0.0, "exclude_seen": True}
        return make_splits(DuckDB(connection), split, cutoffs, seen)


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_plays_with_times_of_a_clock_are_split_by_them(unit: int) -> None:
    made = split_of(played_daily(300, unit))
    assert made["name"] == "temporal (0.8,0.9)"
    assert why_split(made) == (
        "The plays are split temporal (0.8,0.9), for each play has a time, and the times are a clock."
    )


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_dates_cut_plays_in_any_unit_of_time(unit: int) -> None:
    made = split_of(played_daily(300, unit), cutoffs="2014-12-01,2015-01-01")
    assert (made["validation_from"], made["test_from"]) == (1_417_392_000 * unit, 1_420_070_400 * unit)


def test_the_split_by_the_data_and_why_are_in_the_metadata(tmp_path: Path) -> None:
    result = materialize(dated_home(tmp_path, played_daily(300)), checks=True)
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    (made,) = [m for m in result.get_asset_materialization_events() if m.asset_key.path == ["split"]]
    assert str(made.materialization.metadata["split"].value).startswith(
        "The plays are split temporal (0.8,0.9), for each play has a time"
    )


def _numbered(plays: dict[str, list[tuple[str, int | None]]]) -> dict[str, list[tuple[str, int | None]]]:
    """As in a file whose times are the numbers of its lines, from a number that could be a time."""
    lines = iter(range(SINCE, 2 * SINCE))
    return {user: [(item, next(lines)) for item, _ in of_user] for user, of_user in plays.items()}


ONE_DAY = {user: [(item, SINCE) for item, _ in plays] for user, plays in played_daily(30).items()}


@pytest.mark.parametrize(
    ("plays", "reason"),
    [
        ({u: [(i, None) for i, _ in p] for u, p in played_daily(30).items()}, "the plays have no times"),
        (played_daily(30) | {"v": [("a", None), ("b", SINCE)]}, "1 of 152 plays have no time"),
        ({u: [(i, 7 * n) for n, (i, _) in enumerate(p)] for u, p in played_daily(30).items()},
         "the times from 0 to 28 are no clock, such as seconds since 1970"),
        (played_daily(30) | {"v": [("a", 3), ("b", SINCE)]},
         f"the times from 3 to {SINCE + 33 * DAY} are no clock, such as seconds since 1970"),
        (_numbered(played_daily(30)), f"the times from {SINCE} to {SINCE + 149} only number the plays"),
        (ONE_DAY, "the plays have times, but cannot be split by them: NEXTPLAY_CUTOFFS cut at"),
        (played_daily(15), "split in time only 4 users have a test play, and 20 are needed"),
    ],
)  # fmt: skip
def test_other_plays_are_split_leave_one_out_and_that_is_said(
    plays: dict[str, list[tuple[str, int | None]]], reason: str
) -> None:
    made = split_of(plays)
    assert made["name"] == "leave-one-out"
    assert made["reason"].startswith(reason), made["reason"]


def test_as_many_test_users_are_asked_for_as_the_gate_needs() -> None:
    assert Policy.min_users == FEWEST_TEST_USERS


def test_a_setting_wins_over_the_data() -> None:
    made = split_of(played_daily(300), "leave-one-out")
    assert (made["name"], made["reason"]) == ("leave-one-out", "NEXTPLAY_SPLIT=leave-one-out says so")
    forced, by_data = split_of(played_daily(300), "temporal"), split_of(played_daily(300))
    assert forced.pop("reason") == "NEXTPLAY_SPLIT=temporal says so"
    del by_data["reason"]
    assert forced == by_data


def test_cutoffs_that_are_set_and_do_not_fit_are_a_mistake_and_no_reason_for_another_split() -> None:
    with pytest.raises(SplitError, match="NEXTPLAY_CUTOFFS cut at 5 and 8"):
        split_of(played_daily(300), cutoffs="5,8")


times = st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), min_size=1, max_size=6)


@given(times, st.integers(1, 30), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_each_play_is_judged_once_after_its_history_or_never(
    plays: list[list[int]], first: int, second: int
) -> None:
    """The statement against a loop: ties lie on one side of a cut, and in the order of the plays."""
    cuts = {"validation_from": min(first, second), "test_from": max(first, second) + 1}
    flat = [
        (f"u{u}", str(n), n, time)
        for u, times in enumerate(plays)
        for n, time in enumerate(sorted(times))
    ]  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE core_interactions ({CORE_COLUMNS})")
        connection.executemany("INSERT INTO core_interactions VALUES (?, ?, ?, ?)", flat)
        found = connection.execute(
            f"SELECT user_id, position, split, timestamp FROM ({statement('temporal_splits')}) ORDER BY ALL",
            cuts,
        ).fetchall()
    assert [(user, place) for user, place, *_ in found] == sorted((u, n) for u, _, n, _ in flat)
    for _, place, part, time in found:
        side = (
            "train"
            if time < cuts["validation_from"]
            else "validation"
            if time < cuts["test_from"]
            else "test"
        )
        assert part == (side if side == "train" or place else "context")
    lengths = [len(times) for times in plays]
    made = Sequences.from_lists([range(1, n + 1) for n in lengths], 6)
    split = labelled(made, np.array([part for _, _, part, _ in found], dtype=np.str_), "x")
    for held in (split.validation, split.test):
        asked = list(zip(held.users.tolist(), held.targets.tolist(), strict=True))
        assert len(set(asked)) == len(asked)
        assert [held.histories.user(n).tolist() for n in range(len(held))] == [
            list(range(1, target)) for _, target in asked
        ], "an item's index is its place, so a history is all that comes before"
    judged = len(split.validation) + len(split.test)
    context = sum(part == "context" for *_, part, _ in found)
    assert len(split.train.items) + judged + context == sum(lengths)


# --- the vocabulary from night to night


def crown(home: Home, name: str) -> None:
    """Make a champion of tonight's vocabulary."""
    items = load_items(home.lake())
    manifest = Manifest("popularity", items.n_items, 50, items.vocabulary_hash(), "", "", "", "")
    write_bundle(home.folder("bundles", name), manifest, items, [])
    pointer = Pointer(f"../bundles/{name}", "1", name, promoted_at=0.0)
    home.pointer_file.write_text(pointer.to_json())


def replay(home: Home, played: dict[str, list[str]]) -> list[tuple[Any, ...]]:
    core = [(user, item, n, 61, None) for user, items in played.items() for n, item in enumerate(items)]
    publish(home.lake(), "core_interactions", core)
    result = materialize(home, checks=True)
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    return [row[:2] for row in rows(home.lake(), "items")]


MANY = {"u": [str(n) for n in range(10, 32)]}


def test_new_items_join_behind_and_nobody_is_renumbered(home: Home) -> None:
    first = replay(home, MANY)
    crown(home, "one")
    second = replay(home, {**MANY, "v": ["11", "100", "05"]})
    assert second == [*first, (23, "05"), (24, "100")], "not in the order of the ids"
    crown(home, "two")
    third = replay(home, {**MANY, "v": ["05", "100", "000", "99"]})
    assert third == [*second, (25, "000"), (26, "99")]


@pytest.mark.slow
def test_an_item_that_nobody_plays_any_more_keeps_its_index_and_title(home: Home) -> None:
    first = replay(home, {**MANY, "v": ["7", "9"]})
    crown(home, "one")
    assert replay(home, {"u": MANY["u"], "v": ["9", "99"]}) == [*first, (25, "99")]
    gone = next(row for row in rows(home.lake(), "items") if row[1] == "7")
    assert gone[2:4] == ("Seven", 0)


@pytest.mark.slow
def test_other_data_begin_a_vocabulary_of_their_own(home: Home) -> None:
    replay(home, MANY)
    crown(home, "one")
    assert replay(home, {"u": ["b", "a", "10"]}) == [(1, "10"), (2, "a"), (3, "b")]
    assert rows(home.lake(), "items_before") == []


@pytest.mark.slow
def test_the_same_data_give_the_same_tables_after_they_have_made_a_champion(home: Home) -> None:
    replay(home, MANY)
    crown(home, "one")
    for played in (MANY, {**MANY, "v": ["11", "100", "05"]}):
        replay(home, played)
        before = {table: home.lake().current(table).fingerprint for table in TABLES}
        crown(home, "next")
        replay(home, played)
        assert {table: home.lake().current(table).fingerprint for table in TABLES} == before


@pytest.mark.slow
def test_a_broken_champion_begins_the_vocabulary_anew(home: Home) -> None:
    home.pointer_file.write_text("{")
    assert replay(home, {"u": ["b", "a", "c"]}) == [(1, "a"), (2, "b"), (3, "c")]
