"""What users refuse leaves what is learned from and what is recommended, until they play it again."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback import refusals as refusing
from assets.feedback.all_interactions import UNITED_CHECKS
from assets.feedback.events import FEEDBACK_CHECKS
from assets.feedback.refusals import REFUSALS_CHECKS
from assets.resources import Cleaning, Home, Source
from models.feedback import NOTHING, REFUSAL
from pipelines.inputs import events_state
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore
from tests.support.tables import publish

LIBRARIES = [
    ("u1", "a", 0, 90, None),
    ("u1", "b", 1, 80, None),
    ("u1", "c", 2, 80, None),
    ("u2", "b", 0, 70, None),
]
DISLIKE = Play("d1", "u1", "b", 1_767_225_600_000, kind="dislike", counts=REFUSAL)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", LIBRARIES)
    publish(home.lake(), "catalogue", [("d", "Dee")])
    return home


def send(home: Home, *plays: Play) -> None:
    store = SqliteEventStore(home.events_file)
    store.add([plays])
    store.close()


def materialize(home: Home, repeats: str = "first") -> None:
    checks = [*FEEDBACK_CHECKS, *REFUSALS_CHECKS, *UNITED_CHECKS]
    result = dg.materialize(
        [receiving.events, refusing.refusals, uniting.all_interactions, *checks],
        resources={"home": home, "cleaning": Cleaning(repeats=repeats), "source": Source()},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []


def rows(home: Home, table: str, columns: str) -> list[tuple[Any, ...]]:
    with home.lake().connect(table) as connection:
        return connection.execute(f"SELECT {columns} FROM {table}").fetchall()


def learned(home: Home) -> list[tuple[Any, ...]]:
    return rows(home, "all_interactions", "user_id, item_id, position")


@pytest.mark.parametrize("repeats", ["first", "keep"])
def test_nothing_learns_from_what_was_refused(home: Home, repeats: str) -> None:
    send(home, DISLIKE, Play("w", "u2", "b", 1, kind="wishlist", counts=NOTHING))
    materialize(home, repeats)
    assert rows(home, "refusals", "user_id, item_id, told_at") == [("u1", "b", 1_767_225_600_000)]
    assert learned(home) == [("u1", "a", 0), ("u1", "c", 1), ("u2", "b", 0)]


def test_a_later_play_ends_a_refusal(home: Home) -> None:
    send(home, DISLIKE)
    materialize(home)
    before = events_state(home)
    send(home, Play("e1", "u1", "b", 1_767_225_600_001))
    assert events_state(home) != before
    materialize(home)
    assert rows(home, "refusals", "count(*)") == [(0,)]
    assert learned(home) == [("u1", "a", 0), ("u1", "b", 1), ("u1", "c", 2), ("u2", "b", 0)]


def test_without_refusals_the_tables_are_those_of_the_source(home: Home) -> None:
    send(home, Play("l", "u1", "d", 5, kind="like"))
    materialize(home)
    assert learned(home)[-2:] == [("u1", "d", 3), ("u2", "b", 0)], "what counts as a play is one"
    assert rows(home, "refusals", "count(*)") == [(0,)]


def test_feedback_alone_is_another_state_of_the_store(home: Home) -> None:
    SqliteEventStore(home.events_file).close()
    before = events_state(home)
    send(home, DISLIKE)
    assert events_state(home) != before


@pytest.mark.slow
def test_a_lost_store_ends_no_refusal_and_a_forgotten_user_all(home: Home) -> None:
    send(home, DISLIKE, Play("d2", "u2", "b", 5, kind="refund", counts=REFUSAL))
    materialize(home)
    home.events_file.unlink()
    materialize(home)
    assert rows(home, "refusals", "user_id, item_id") == [("u1", "b"), ("u2", "b")]
    store = SqliteEventStore(home.events_file)
    store.forget("u1")
    store.close()
    materialize(home)
    assert rows(home, "refusals", "user_id, item_id") == [("u2", "b")]
