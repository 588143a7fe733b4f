"""Feedback in the event store: what is no play, and what a play was told as.

A table of its own, beside `events`: plays stay what they are, for whoever reads them, and a store of before
gets it when it is opened. Feedback that counts as a play is in both.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from models.feedback import A_PLAY, NOTHING, PLAY, REFUSAL
from serving.state.events import Play, Told

FEEDBACK_DDL = (
    """
    CREATE TABLE IF NOT EXISTS feedback (
        event_id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL,
        item_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        value DOUBLE PRECISION,
        counts INTEGER NOT NULL,
        told_at BIGINT NOT NULL,
        request_id TEXT,
        sequence BIGINT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS feedback_by_user ON feedback (user_id)",
    "CREATE INDEX IF NOT EXISTS feedback_by_arrival ON feedback (sequence)",
)
INSERT = "INSERT INTO feedback VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
BY_ID = """
SELECT event_id, user_id, item_id, told_at, request_id, kind, value, counts FROM feedback WHERE event_id = ?
"""
ALL = "SELECT user_id, item_id, kind, value, counts, told_at FROM feedback ORDER BY sequence, event_id"
# The newest word counts, and a refusal where both came at once.
REFUSED = f"""
SELECT item_id FROM feedback WHERE user_id = ? AND counts = {REFUSAL} AND NOT EXISTS (
    SELECT 1 FROM events WHERE events.user_id = feedback.user_id AND events.item_id = feedback.item_id
        AND events.played_at > feedback.told_at
)
"""
FORGET = "DELETE FROM feedback WHERE user_id = ?"
SUPERSEDED = f"""
DELETE FROM feedback WHERE counts = {REFUSAL} AND EXISTS (
    SELECT 1 FROM events WHERE events.event_id = ? AND events.user_id = feedback.user_id
        AND events.item_id = feedback.item_id AND events.played_at > feedback.told_at
)
"""
REMOVE_COUNTED = f"DELETE FROM feedback WHERE event_id = ? AND counts = {A_PLAY}"
# The newest stays, so that the order goes on; refusals hold until a play ends them.
REMOVE_UNCOUNTED = f"""
DELETE FROM feedback WHERE event_id IN (
    SELECT event_id FROM feedback LEFT JOIN clocks ON clocks.sequence = feedback.sequence
    WHERE counts = {NOTHING} AND coalesce(clocks.received_at, feedback.sequence) < ?
        AND feedback.sequence < (SELECT max(sequence) FROM feedback)
    ORDER BY feedback.sequence LIMIT ?
)
"""
COUNT_OTHERS = f"SELECT count(*) FROM feedback WHERE user_id = ? AND counts <> {A_PLAY}"


class Tables(Protocol):
    """What is asked of a connection here."""

    def rows(self, statement: str, values: Sequence[object] = ()) -> Iterator[tuple[Any, ...]]: ...

    def change(self, statement: str, rows: Iterable[Sequence[object]] = ((),)) -> int: ...


def add_feedback(connection: Tables, plays: Iterable[Play], sequence: int) -> None:
    """Store what was told of these, but for what is a plain play."""
    told = [
        (p.event_id, p.user_id, p.item_id, p.kind, p.value, p.counts, p.played_at, p.request_id, sequence)
        for p in plays
        if p.kind != PLAY or p.value is not None
    ]
    connection.change(INSERT, told)


def find_feedback(connection: Tables, event_id: str) -> Play | None:
    return next((Play(*row) for row in connection.rows(BY_ID, (event_id,))), None)


def forget_feedback(connection: Tables, user_id: str) -> int:
    """Remove what a user told; returns how much of it was no play."""
    ((others,),) = connection.rows(COUNT_OTHERS, (user_id,))
    connection.change(FORGET, [(user_id,)])
    return int(others)


def remove_told(connection: Tables, event_ids: Sequence[str]) -> None:
    """Remove what these plays were told as, and the refusals that they ended, which would count again."""
    connection.change(SUPERSEDED, ((event_id,) for event_id in event_ids))
    connection.change(REMOVE_COUNTED, ((event_id,) for event_id in event_ids))


def remove_uncounted(connection: Tables, received_before: int, at_most: int) -> int:
    """Remove the oldest of what counts as nothing; returns how much."""
    return connection.change(REMOVE_UNCOUNTED, [(received_before, at_most)])


def refused(connection: Tables, user_id: str) -> frozenset[str]:
    return frozenset(item_id for (item_id,) in connection.rows(REFUSED, (user_id,)))


def last_feedback(connection: Tables) -> int:
    ((newest,),) = connection.rows("SELECT coalesce(max(sequence), 0) FROM feedback")
    return int(newest)


def all_feedback(connection: Tables) -> Iterator[Told]:
    return (Told(*row) for row in connection.rows(ALL))
