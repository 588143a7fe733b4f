"""Events of the real store become rows: once, in their place, by day, and known games only."""

import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback import refusals as refusing
from assets.feedback.events import CUTOFF_TAG, FEEDBACK_CHECKS, events_of_a_day, received_days
from assets.resources import Cleaning, Home, Source
from serving.state import events_sql as store_module
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore
from tests.support.tables import publish

DAY_1, DAY_2, DAY_3 = (1_767_225_600_000 + n * 86_400_000 for n in range(3))  # 2026-01-01 and on
LIBRARIES = [("u1", "a", 0, 90, None), ("u1", "b", 1, 80, None), ("u2", "b", 0, 70, None)]
DATED = [("u1", "a", 0, None, DAY_1 * 1000), ("u1", "b", 1, None, DAY_2 * 1000)]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", LIBRARIES)
    publish(home.lake(), "catalogue", [("c", "Sea"), ("d", "Dee")])
    return home


@pytest.fixture
def send(home: Home, monkeypatch: pytest.MonkeyPatch):
    """Acknowledge plays at a time of our choice: `send(at, (event id, user, item, played_at), ...)`."""

    def send(at: int, *plays: tuple[str, str, str, int]) -> None:
        monkeypatch.setattr(store_module, "now_ms", lambda: at)
        store = SqliteEventStore(home.events_file)
        store.add([[Play(*play)] for play in plays])
        store.close()

    return send


def materialize(
    home: Home, cutoff: str = "", repeats: str = "first", source: Source | None = None
) -> dg.ExecuteInProcessResult:
    result = dg.materialize(
        [receiving.events, refusing.refusals, uniting.all_interactions, *FEEDBACK_CHECKS],
        resources={"home": home, "cleaning": Cleaning(repeats=repeats), "source": source or Source()},
        instance=dg.DagsterInstance.ephemeral(),
        tags={CUTOFF_TAG: cutoff} if cutoff else {},
    )
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    return result


def rows(home: Home, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    with home.lake().connect(table) as connection:
        return connection.execute(f"SELECT {columns} FROM {table}").fetchall()


def learned(home: Home) -> list[tuple[str, str, int]]:
    return rows(home, "all_interactions", "user_id, item_id, position")


def test_without_a_store_the_tables_are_those_of_the_source(home: Home) -> None:
    materialize(home)
    lake = home.lake()
    assert rows(home, "events") == rows(home, "event_quarantine") == []
    assert lake.current("all_interactions").content_hash == lake.current("interactions").content_hash
    assert lake.current("all_interactions").fingerprint == lake.current("interactions").fingerprint
    assert not home.events_file.exists(), "reading makes no store"


def test_events_come_behind_an_undated_library_in_the_order_of_play(home: Home, send) -> None:
    send(DAY_2, ("e1", "u1", "d", DAY_2 - 5), ("e2", "u3", "c", DAY_2 - 4))
    send(DAY_2 + 9, ("e3", "u1", "c", DAY_1), ("e4", "u2", "b", DAY_2))  # late; owned already
    result = materialize(home)
    assert learned(home) == [
        ("u1", "a", 0), ("u1", "b", 1), ("u1", "c", 2), ("u1", "d", 3), ("u2", "b", 0), ("u3", "c", 0),
    ]  # fmt: skip
    (times,) = {
        row for row in rows(home, "all_interactions", "item_id, timestamp, playtime") if row[0] == "d"
    }
    assert times == ("d", (DAY_2 - 5) * 1000, None)
    days = {
        e.partition: e.materialization.metadata["events"].value
        for e in result.get_asset_materialization_events()
        if e.asset_key == dg.AssetKey("received_events")
    }
    assert days == {"2026-01-02": 4}


@pytest.mark.parametrize(
    ("unit", "last"),
    [
        pytest.param(1, 1, marks=pytest.mark.slow, id="seconds"),
        pytest.param(1000, 1000, id="milliseconds"),
        pytest.param(10**6, 10**6, marks=pytest.mark.slow, id="microseconds"),
    ],
)
def test_events_stand_between_the_plays_of_a_dated_source(home: Home, send, unit: int, last: int) -> None:
    publish(home.lake(), "interactions", [(u, i, n, p, t // 10**6 * unit) for u, i, n, p, t in DATED])
    send(
        DAY_3,
        ("e1", "u1", "c", DAY_1 + 1000),
        ("e2", "u1", "d", DAY_1 - 1000),
        ("e3", "u1", "b", DAY_1 + 2000),
    )
    materialize(home)
    wanted = [("u1", "d", 0), ("u1", "a", 1), ("u1", "c", 2), ("u1", "b", 3)]
    assert learned(home) == wanted, "the first play of b is that of the event"
    first = (DAY_1 - 1000) // 1000 * last
    assert rows(home, "all_interactions", "min(timestamp), max(timestamp)") == [(first, first + 3 * last)]
    materialize(home, repeats="keep")
    assert [item for _, item, _ in learned(home)] == ["d", "a", "c", "b", "b"]


def test_times_that_are_line_numbers_put_events_behind_the_source(home: Home, send) -> None:
    publish(home.lake(), "interactions", [("u1", "a", 0, None, 1), ("u1", "b", 1, None, 9)])
    send(DAY_3, ("e1", "u1", "d", DAY_2), ("e2", "u1", "c", DAY_1))
    materialize(home)
    assert [item for _, item, _ in learned(home)] == ["a", "b", "c", "d"]


def test_an_unknown_game_waits_until_the_catalogue_knows_it(home: Home, send) -> None:
    send(DAY_2, ("e1", "u1", "new", DAY_1), ("e2", "u1", "c", DAY_1 + 1), ("e3", "u1", "d", DAY_2 + 10**9))
    materialize(home)
    assert [item for *_, item, _ in learned(home) if item in ("new", "d")] == []
    assert rows(home, "event_quarantine", "event_id, reason") == [
        ("e1", "a game that neither the source nor its catalogue knows"),
        ("e3", "played later than it was received"),
    ]
    publish(home.lake(), "catalogue", [("c", "Sea"), ("new", "New")])
    materialize(home)
    assert [item for user, item, _ in learned(home) if user == "u1"] == ["a", "b", "new", "c"]


def test_night_by_night_and_at_once_end_with_the_same_tables(home: Home, send, tmp_path: Path) -> None:
    send(DAY_1 + 5, ("e1", "u1", "c", DAY_1))
    materialize(home)
    first = home.lake().current("all_interactions").fingerprint
    materialize(home)
    assert home.lake().current("all_interactions").fingerprint == first, "nothing new: nothing made"
    send(DAY_2 + 5, ("e2", "u1", "d", DAY_2))
    materialize(home)
    nights = home.lake()
    at_once = Home(path=str(tmp_path / "other"))
    publish(at_once.lake(), "interactions", LIBRARIES)
    publish(at_once.lake(), "catalogue", [("c", "Sea"), ("d", "Dee")])
    at_once.events_file.parent.mkdir()
    at_once.events_file.symlink_to(home.events_file)
    materialize(at_once)
    for table in ("events", "all_interactions", "event_quarantine"):
        assert nights.current(table).fingerprint == at_once.lake().current(table).fingerprint
        assert nights.current(table).content_hash == at_once.lake().current(table).content_hash


@pytest.mark.slow
def test_a_cut_off_gives_the_tables_of_its_time_again(home: Home, send) -> None:
    send(DAY_1 + 5, ("e1", "u1", "c", DAY_1))
    materialize(home)
    then = home.lake().current("all_interactions")
    send(DAY_2 + 5, ("e2", "u1", "d", DAY_2))
    materialize(home)
    assert [item for user, item, _ in learned(home) if user == "u1"] == ["a", "b", "c", "d"]
    materialize(home, cutoff="2026-01-02T00:00:00+00:00")
    assert home.lake().current("all_interactions").content_hash == then.content_hash
    assert rows(home, "event_quarantine", "reason") == [("received after the cut-off of the run",)]
    assert len(rows(home, "events")) == 2, "nothing that was taken in is lost"


def test_a_cut_off_that_is_no_time_is_told_in_one_sentence(home: Home) -> None:
    with pytest.raises(dg.Failure, match="yesterday is no time"):
        receiving.cutoff_ms({CUTOFF_TAG: "yesterday"})


def test_a_backfilled_day_takes_in_what_was_missing_and_nothing_twice(home: Home, send) -> None:
    send(DAY_1 + 5, ("e1", "u1", "c", DAY_1))
    send(DAY_2 + 5, ("e2", "u1", "d", DAY_2))
    send(DAY_3 - 1, ("e3", "u2", "d", DAY_2))
    send(DAY_3, ("e4", "u2", "c", DAY_2))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(
            received_days.name, ["2026-01-02"]
        )  # as the dialog of a backfill does
        for _ in range(2):
            result = events_of_a_day.execute_in_process(
                partition_key="2026-01-02", resources={"home": home}, instance=instance
            )
            assert result.success
            assert [row[0] for row in rows(home, "events")] == ["e2", "e3"]
        assert instance.get_materialized_partitions(dg.AssetKey("received_events")) == {"2026-01-02"}
    assert events_of_a_day.partitions_def == received_days


def test_only_days_that_brought_something_are_partitions(home: Home, send) -> None:
    """Of a calendar Dagster's UI calls each day missing that is quiet, and all before the first event."""
    with dg.DagsterInstance.ephemeral() as instance:
        take_in = {"resources": {"home": home}, "instance": instance}
        assert dg.materialize([receiving.events], **take_in).success
        assert instance.get_dynamic_partitions(received_days.name) == []
        send(DAY_1 + 5, ("e1", "u1", "c", DAY_1))
        send(DAY_3 + 5, ("e2", "u1", "d", DAY_1))
        assert dg.materialize([receiving.events], **take_in).success
        days = {"2026-01-01", "2026-01-03"}
        assert set(instance.get_dynamic_partitions(received_days.name)) == days
        assert instance.get_materialized_partitions(dg.AssetKey("received_events")) == days


def test_days_that_an_older_version_took_in_stay_partitions(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization("received_events", partition="2026-01-02")
        )
        assert dg.materialize([receiving.events], resources={"home": home}, instance=instance).success
        assert instance.get_dynamic_partitions(received_days.name) == ["2026-01-02"]


def test_a_backfilled_day_that_is_none_is_told_in_one_sentence(home: Home) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(received_days.name, ["tuesday"])
        given = {"partition_key": "tuesday", "resources": {"home": home}, "instance": instance}
        with pytest.raises(dg.Failure, match="The partition tuesday is no day: give one such as"):
            events_of_a_day.execute_in_process(**given)


def test_a_forgotten_user_leaves_the_table_and_a_lost_store_does_not_empty_it(home: Home, send) -> None:
    send(DAY_1 + 5, ("e1", "u1", "c", DAY_1), ("e2", "u2", "d", DAY_1))
    materialize(home)
    store = SqliteEventStore(home.events_file)
    store.forget("u1")
    store.close()
    materialize(home)
    assert [row[0] for row in rows(home, "events")] == ["e2"]
    home.events_file.unlink()
    materialize(home)
    assert [row[0] for row in rows(home, "events")] == ["e2"]


@pytest.mark.slow
def test_an_event_of_a_user_who_is_called_as_missing_ones_are_is_left_out_and_said(home: Home, send) -> None:
    send(DAY_3, ("e1", "NULL", "a", DAY_2), ("e2", "nan", "b", DAY_2), ("e3", "u9", "a", DAY_2))
    materialize(home, source=Source(name="table"))
    reason = "a user_id that stands for a missing one"
    assert rows(home, "event_quarantine", "user_id, reason") == [("NULL", reason), ("nan", reason)]
    materialize(home, source=Source(name="table", missing=["nan"]))
    assert rows(home, "event_quarantine", "user_id, reason") == [("nan", reason)]


@pytest.mark.slow
def test_an_event_of_a_listed_game_is_taken_in(home: Home, send) -> None:
    send(DAY_1, ("e1", "u1", "new", DAY_1), ("e2", "u1", "unheard of", DAY_1))
    materialize(home)
    before = home.lake().current("all_interactions").fingerprint
    assert ("u1", "new", 2) not in learned(home)
    publish(home.lake(), "listed_items", [("new", "Stellar Drift")])
    materialize(home)
    assert home.lake().current("all_interactions").fingerprint != before
    assert ("u1", "new", 2) in learned(home)
    assert rows(home, "event_quarantine", "event_id") == [("e2",)]


def test_a_clock_that_was_ahead_once_delays_nothing_but_its_own_event(home: Home, send) -> None:
    """Days on which it was right again stand under their own day, and are learned from at once."""
    send(DAY_1, ("e1", "u1", "c", DAY_1))
    ahead = int(time.time() * 1000) + 2 * 86_400_000
    send(ahead, ("ahead", "u2", "c", DAY_1))
    for number in range(3):
        send(DAY_2 + number, (f"after-{number}", f"u{number}", "d", DAY_2))
        materialize(home)
    days = dict(rows(home, "events", "event_id, day"))
    assert days["after-0"] == days["after-2"] == "2026-01-02" and len(days) == 5
    assert rows(home, "event_quarantine", "event_id, reason") == [
        ("ahead", "received after the cut-off of the run")
    ]
    assert {user for user, item, _ in learned(home) if item == "d"} == {"u0", "u1", "u2"}


def test_a_machine_whose_clock_is_behind_loses_nothing(home: Home, send) -> None:
    """Two machines write one store, and one is an hour behind."""
    send(DAY_2, ("e1", "u1", "c", DAY_1))
    send(DAY_2 - 3_600_000, ("e2", "u2", "c", DAY_1))
    materialize(home)
    send(DAY_2 + 5, ("e3", "u1", "d", DAY_1))
    send(DAY_2 - 3_599_000, ("e4", "u2", "d", DAY_1))
    materialize(home)
    assert {row[0] for row in rows(home, "events")} == {"e1", "e2", "e3", "e4"}
    assert {(user, item) for user, item, _ in learned(home)} >= {("u1", "d"), ("u2", "c"), ("u2", "d")}


@pytest.mark.slow
def test_a_run_whose_own_clock_is_behind_lets_events_wait_and_says_so(
    home: Home, send, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    send(DAY_3, ("e1", "u1", "c", DAY_1))
    for module in (receiving, uniting):
        monkeypatch.setattr(module, "now_ms", lambda: DAY_1)
    materialize(home)
    assert rows(home, "event_quarantine", "reason") == [("received after the cut-off of the run",)]
    assert len(rows(home, "events")) == 1, "nothing is lost"
    assert "172,800 s ahead of this machine's: set the clock" in capfd.readouterr().err
    monkeypatch.setattr(uniting, "now_ms", lambda: DAY_3)
    materialize(home)
    assert ("u1", "c", 2) in learned(home)


@pytest.mark.slow
def test_a_store_that_was_put_back_is_read_from_its_beginning(home: Home, send, tmp_path: Path) -> None:
    """Its numbers begin below those that were taken in."""
    send(DAY_1, ("e1", "u1", "c", DAY_1))
    copy = (tmp_path / "copy.db", home.events_file.read_bytes())
    send(DAY_3, ("e2", "u1", "d", DAY_1))
    materialize(home)
    copy[0].write_bytes(copy[1])
    copy[0].replace(home.events_file)
    send(DAY_2, ("e3", "u2", "d", DAY_1))
    materialize(home)
    assert {row[0] for row in rows(home, "events")} == {"e1", "e2", "e3"}
