"""How plays reach the pipeline: a first history as a table, then events in the endpoint's store."""

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.resources import Home
from assets.sample.days import Day
from serving.state.event_stores import open_event_store
from serving.state.events import Play

DAY_0 = datetime(2026, 1, 31, tzinfo=UTC)
MINUTES_A_DAY = 24 * 60
HISTORY, CATALOGUE = "plays.csv.gz", "games.csv.gz"


def date_of(day: int) -> str:
    """Such as 2026-01-31."""
    return _midnight(day).date().isoformat()


def write_history(folder: Path, days: Sequence[Day], ids: Sequence[str]) -> None:
    """What was played before there was an endpoint: a row a play, with its time."""
    rows = [
        (player, ids[game], moment.isoformat())
        for day in days
        for player, game, moment in zip(day.players.tolist(), day.games.tolist(), times(day), strict=True)
    ]
    _write(folder / HISTORY, [("user_id", "item_id", "timestamp"), *rows])


def write_catalogue(folder: Path, ids: Iterable[str]) -> None:
    """The games that can be played now. Plays of others wait until the catalogue lists their game."""
    _write(folder / CATALOGUE, [("item_id",), *((item_id,) for item_id in ids)])


def send_events(home: Path, day: Day, ids: Sequence[str]) -> None:
    """The plays of a day, acknowledged by the event store of a home."""
    store = open_event_store(Home(path=str(home)).events_file)
    rows = zip(day.players.tolist(), day.games.tolist(), times(day), strict=True)
    plays = [
        Play(f"{date_of(day.number)}-{player}", str(player), ids[game], int(moment.timestamp() * 1000))
        for player, game, moment in rows
    ]
    store.add([plays])
    store.close()


def times(day: Day) -> list[datetime]:
    """When each play of a day was: a minute drawn apart from what was played [plays]."""
    drawn: NDArray[np.int64] = np.random.default_rng(day.players).integers(0, MINUTES_A_DAY, len(day.players))
    return [_midnight(day.number) + timedelta(minutes=minute) for minute in drawn.tolist()]


def _midnight(day: int) -> datetime:
    return DAY_0 + timedelta(days=day)


def _write(file: Path, rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    file.write_bytes(gzip.compress(text.getvalue().encode(), mtime=0))
