"""Plays that are held back: nothing learns from them, as if a file had never had them."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.clean.core_interactions import core_interactions
from assets.clean.too_little import CoreError
from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback import refusals as refusing
from assets.feedback.all_interactions import UNITED_CHECKS
from assets.feedback.held_back import HoldBack, HoldBackError
from assets.resources import Cleaning, Home, Source
from pipelines.resources import Settings, resources
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore
from tests.support.homes import failure, rows
from tests.support.tables import publish

DAY = 86_400_000_000  # microseconds
NEW_YEAR = 1_767_225_600_000_000  # 2026-01-01
UNDATED = [
    ("u1", "a", 0, 90, None), ("u1", "b", 1, 80, None), ("u1", "c", 2, 70, None), ("u1", "d", 3, 5, None),
    ("u2", "b", 0, 70, None), ("u2", "a", 1, None, None),
    ("u3", "c", 0, 9, None),
]  # fmt: skip
DATED = [
    (user, item, position, None, NEW_YEAR + day * DAY)
    for user, plays in {
        "u1": [("a", 0), ("b", 1), ("c", 2)], "u2": [("b", 1), ("c", 3)], "u3": [("a", 2)], "u4": [("c", 0)],
    }.items()
    for position, (item, day) in enumerate(plays)
]  # fmt: skip


def home_of(folder: Path, plays: list[tuple[Any, ...]]) -> Home:
    home = Home(path=str(folder))
    publish(home.lake(), "interactions", plays)
    publish(home.lake(), "catalogue", [("a", "A")])
    return home


def unite(home: Home, hold: str | None = None, must_succeed: bool = True, **changes: Any) -> Any:
    result = dg.materialize(
        [receiving.events, refusing.refusals, uniting.all_interactions, *UNITED_CHECKS],
        resources={"home": home, "cleaning": Cleaning(hold_back=hold, **changes), "source": Source()},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )
    assert result.success == must_succeed
    return result


def plays(home: Home, table: str) -> list[tuple[Any, ...]]:
    return rows(home, table, "user_id, item_id, position")


def test_without_the_setting_nothing_is_held_back(tmp_path: Path) -> None:
    home = home_of(tmp_path, UNDATED)
    unite(home)
    assert rows(home, "held_back") == []
    assert home.lake().current("all_interactions").fingerprint == (
        home.lake().current("interactions").fingerprint
    )


def test_the_last_play_that_is_long_enough_is_held_back_and_all_behind_it(tmp_path: Path) -> None:
    """Sixty minutes count as played; u3 has played nothing, and loses nothing."""
    home = home_of(tmp_path, UNDATED)
    unite(home, "last")
    assert plays(home, "all_interactions") == [("u1", "a", 0), ("u1", "b", 1), ("u2", "b", 0), ("u3", "c", 0)]
    assert plays(home, "held_back") == [("u1", "c", 2), ("u1", "d", 3), ("u2", "a", 1)]


def test_the_tables_are_those_of_a_file_without_these_plays(tmp_path: Path) -> None:
    held, cut = home_of(tmp_path / "held", UNDATED), [UNDATED[0], UNDATED[1], UNDATED[4], UNDATED[6]]
    short = home_of(tmp_path / "short", cut)
    unite(held, "last")
    unite(short)
    assert rows(held, "all_interactions") == rows(short, "all_interactions")


@pytest.mark.parametrize(
    "cut",
    [
        "2026-01-02",
        str(NEW_YEAR + DAY),
        pytest.param("2026-01-01T00:00:00.000001+00:00", marks=pytest.mark.slow),
    ],
)
def test_from_a_time_on_every_play_is_held_back(tmp_path: Path, cut: str) -> None:
    home = home_of(tmp_path, DATED)
    unite(home, cut)
    assert plays(home, "all_interactions") == [("u1", "a", 0), ("u4", "c", 0)]
    assert [row[:2] for row in plays(home, "held_back")] == [
        ("u1", "b"), ("u1", "c"), ("u2", "b"), ("u2", "c"), ("u3", "a"),
    ]  # fmt: skip


def test_a_date_is_understood_in_the_unit_of_the_source(tmp_path: Path) -> None:
    in_seconds = [(*row[:4], row[4] // 1_000_000) for row in DATED]
    home = home_of(tmp_path, in_seconds)
    unite(home, "2026-01-02")
    assert plays(home, "all_interactions") == [("u1", "a", 0), ("u4", "c", 0)]


def test_plays_that_the_endpoint_was_told_of_are_held_back_too(tmp_path: Path) -> None:
    home = home_of(tmp_path, DATED)
    store = SqliteEventStore(home.events_file)
    store.add([[Play("e1", "u1", "a", 0)], [Play("e2", "u3", "b", NEW_YEAR // 1000 + 5 * 86_400_000)]])
    store.close()
    unite(home, "2026-01-03")
    assert ("u3", "b", 1) in plays(home, "held_back")
    assert {user for user, *_ in plays(home, "all_interactions")} == {"u1", "u2", "u4"}


def test_with_repeats_the_last_play_is_the_last_row(tmp_path: Path) -> None:
    home = home_of(tmp_path, [("u1", item, place, None, None) for place, item in enumerate("abab")])
    unite(home, "last", repeats="keep")
    assert plays(home, "held_back") == [("u1", "b", 3)]
    assert len(plays(home, "all_interactions")) == 3


COUNTED = [(*row[:4], number) for number, row in enumerate(UNDATED)]


@pytest.mark.parametrize(
    ("plays", "hold", "sentence"),
    [
        (UNDATED, "2026-01-02", "needs plays with a time, and this source has none: set NEXTPLAY_HOLD_BACK="),
        (DATED, "2027-01-01", "=2027-01-01 holds back no play (the plays run from 17672256"),
        (DATED, "2025-01-01", "NEXTPLAY_HOLD_BACK=2025-01-01 holds back every play"),
        ([("u1", "a", 0, 5, None)], "last", "=last holds back no play: give last, a date"),
        (COUNTED, "2026-01-02", "are no times since 1970 but numbers from 0"),
    ],
)
def test_what_cannot_be_held_back_is_told(
    tmp_path: Path, plays: list[tuple[Any, ...]], hold: str, sentence: str
) -> None:
    assert sentence in failure(unite(home_of(tmp_path, plays), hold, must_succeed=False))


def test_a_time_is_read_to_the_microsecond() -> None:
    assert HoldBack.from_text("2026-01-01T00:00:00.000001+00:00").moment == NEW_YEAR + 1
    assert HoldBack.from_text("2026-01-02").moment == NEW_YEAR + DAY


@pytest.mark.parametrize("text", ["yesterday", "0.9", "first", "2026-13-01"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(HoldBackError, match="does not say what is held back: give last"):
        HoldBack.from_text(text)
    with pytest.raises(ValueError, match="does not say what is held back"):
        Settings(hold_back=text)


def test_the_setting_reaches_the_assets() -> None:
    assert resources(Settings(hold_back="last"))["cleaning"].hold_back == "last"
    assert resources(Settings())["cleaning"].hold_back is None


@pytest.mark.slow
def test_the_core_counts_what_is_left_alone(tmp_path: Path) -> None:
    """Of 6 users with the same 3 items and one with a fourth the core is that of the shortened plays."""
    all_plays = [(f"u{n}", item, place, None, None) for n in range(6) for place, item in enumerate("abc")]
    home = home_of(tmp_path, all_plays)
    unite(home, "last")
    cleaning = Cleaning(core=2, hold_back="last")
    try:
        dg.materialize([core_interactions], resources={"home": home, "cleaning": cleaning})
    except (CoreError, dg.Failure) as error:
        pytest.fail(str(error))
    assert {item for (item,) in rows(home, "core_interactions", "item_id")} == {"a", "b"}
