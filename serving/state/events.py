"""The event store: what users played, what they were shown, and who asked to be forgotten.

The endpoint writes it and the pipeline reads it, so `EventStore` is a contract between the two. Each promise
holds for every store: a commit is on the disk before it is acknowledged, and `sequence` rises from commit to
commit, so a reader that has seen all rows up to some value never finds a new one at or below it.
`received_at` is what the clock said, and no clock is trusted for more than that: it may be wrong, or set
back. A sequence is never below the clock's time. Times are in milliseconds since the epoch, UTC.

`serving.state.event_stores` opens a store by its address.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from models.bundle.ids import MAX_ID
from models.feedback import A_PLAY, PLAY
from models.mistakes import UserError

MAX_LISTED = 10_000  # items
MAX_NAMES = 100  # of attributes of all that is listed: each is a column as long as the catalogue
MAX_HISTORY = 10_000  # items of one user that are looked at, the newest
CLOCK_TOLERANCE_MS = 86_400_000  # a day, by which a reporting client's clock may be ahead of ours
CLOCK_AHEAD_MS = 60_000  # by which the newest event may be ahead of our clock before people are told
END_OF_TIME_MS = 2**53


def is_id(text: str) -> bool:
    """Whether a text without blanks around it is an id of a user or an event."""
    return 0 < len(text) <= MAX_ID and "\0" not in text


class EventStoreError(UserError):
    """The store cannot be opened, read or written, or has another format; the message says why.

    Whatever a normal return has not acknowledged must be sent again.
    """


@dataclass(frozen=True)
class Play:
    """An event as a client sends it; `played_at` None means when it is received.

    It `counts` as a play, as nothing or as a refusal: see `models.feedback`.
    """

    event_id: str
    user_id: str
    item_id: str
    played_at: int | None = None
    request_id: str | None = None
    kind: str = PLAY
    value: float | None = None
    counts: int = field(default=A_PLAY, compare=False)


@dataclass(frozen=True)
class Told:
    """A row of `feedback`: what a user told of an item."""

    user_id: str
    item_id: str
    kind: str
    value: float | None
    counts: int
    told_at: int


@dataclass(frozen=True)
class Event:
    """A row of `events`: a stored play event."""

    event_id: str
    user_id: str
    item_id: str
    played_at: int
    received_at: int
    request_id: str | None
    sequence: int = field(default=0, compare=False)  # of its commit


@dataclass(frozen=True)
class Impression:
    """A row of `impressions`: one recommended item. `rank` starts at 1; `user_id` is None where unknown.

    `propensity` is the chance with which it came to that rank; None where chance took no part.
    """

    request_id: str
    rank: int
    user_id: str | None
    item_id: str
    score: float
    model_version: str
    fallback: str | None
    shown_at: int
    propensity: float | None = None


@dataclass(frozen=True)
class ListedItem:
    """A row of `listed_items`: an item that the application offers, with or without plays.

    `attributes` is a JSON object with its keys in order: by name a text, a list of texts, a number or a flag.
    """

    item_id: str
    title: str
    attributes: str


@dataclass(frozen=True)
class Listed:
    """How many items of a request were not listed before, and how many were, and are described anew."""

    new: int
    replaced: int


class ListingFullError(Exception):
    """More would be listed than MAX_LISTED and MAX_NAMES allow: nothing of the request is stored. The message
    says what."""


@dataclass(frozen=True)
class Stored:
    """What became of the events of one request. Those of forgotten users are dropped, not stored."""

    stored: int
    repeated: int
    forgotten: int


@dataclass(frozen=True)
class Conflict:
    """An event id was sent with another content before: nothing of its request is stored."""

    event_id: str
    field: str  # the first one that differs


@dataclass(frozen=True)
class Forgotten:
    """What was removed of one user. `wiped` says whether the log of changes holds nothing of it either; where
    it was in use, forgetting the user once more wipes it."""

    events: int
    impressions: int
    wiped: bool = field(default=True, compare=False)


@dataclass(frozen=True)
class StoreSize:
    """Bytes of the tables, and of the log of changes that are not in them yet."""

    tables: int
    log: int


class EventStore(Protocol):
    """A store of events, safe in several threads and processes. Any method raises EventStoreError."""

    ahead_ms: int
    """By how much the newest commit was ahead of the clock of who made it: more than a moment where some
    clock is wrong."""

    def open(self) -> None:
        """Open it now, where that was left to its first use."""
        ...

    def add(
        self, requests: Sequence[Sequence[Play]], impressions: Sequence[Impression] = ()
    ) -> list[Stored | Conflict]:
        """Store the events of several requests, and impressions, in one durable commit.

        The answer has one entry per request, in order; one with a conflict stores nothing, the others do.
        An impression whose request id and rank are there already is left out.
        """
        ...

    def forget(self, user_id: str) -> Forgotten:
        """Remove a user's events and impressions and remember not to take any more. May be repeated."""
        ...

    def is_forgotten(self, user_id: str) -> bool:
        """Whether this user asked to be forgotten."""
        ...

    def forgotten_users(self) -> list[str]:
        """All forgotten users, sorted."""
        ...

    def plays(self, user_id: str, after: int = 0, limit: int = MAX_HISTORY) -> list[str]:
        """The items that a user played, oldest first by `played_at`; the newest `limit` of those whose
        sequence is above `after`."""
        ...

    def refused(self, user_id: str) -> frozenset[str]:
        """The items that a user has refused, and not played since."""
        ...

    def feedback(self) -> Iterator[Told]:
        """All that users told, in the order in which it was received."""
        ...

    def last_feedback(self) -> int:
        """The sequence of the newest feedback, 0 where there is none."""
        ...

    def last_sequence(self, until_ms: int = END_OF_TIME_MS) -> int:
        """The sequence of the newest event whose clock was not past some time, 0 where there is none."""
        ...

    def events(self, after: int = 0) -> Iterator[Event]:
        """Events in the order of their sequence, those of one commit by their id. Read in pages: a reader who
        takes his time keeps nobody's log from being written back."""
        ...

    def impressions(self, shown_from: int = 0) -> Iterator[Impression]:
        """Impressions in the order in which they were shown, in pages."""
        ...

    def list_items(self, items: Sequence[ListedItem]) -> Listed:
        """List items, or describe listed ones anew, in one durable commit. Raises ListingFullError."""
        ...

    def unlist(self, item_id: str) -> bool:
        """End the listing of an item; says whether it was listed. Durable."""
        ...

    def listed_items(self) -> list[ListedItem]:
        """All listed items, by their ids."""
        ...

    def listing_state(self) -> int:
        """Another value after every change of what is listed, also of a store that was put back; 0 before the
        first one. Cheap to ask for."""
        ...

    def remove_impressions(self, shown_before: int, at_most: int) -> int:
        """Remove the oldest impressions of before a time, some at a time, in one commit; returns how many."""
        ...

    def remove_events(self, event_ids: Sequence[str]) -> int:
        """Remove events in one commit; returns how many. One that is sent again is stored again."""
        ...

    def remove_uncounted(self, received_before: int, at_most: int) -> int:
        """Remove the oldest feedback of before a time that counts as nothing, in one commit; returns how
        much."""
        ...

    def size(self) -> StoreSize:
        """How large it is now."""
        ...

    def compact(self) -> bool:
        """Give back what is free, some at a time, and overwrite what the log holds of deleted rows. False
        where readers kept the log busy."""
        ...

    def close(self) -> None:
        """Close the connections of all threads; none may be in use."""
        ...


def now_ms() -> int:
    """Milliseconds since the epoch, UTC."""
    return time.time_ns() // 1_000_000
