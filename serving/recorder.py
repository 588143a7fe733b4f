"""Writes play events and impressions in a thread of its own, so that requests share commits."""

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from serving import telemetry
from serving.recommender import Scored
from serving.state.events import (
    CLOCK_AHEAD_MS,
    Conflict,
    EventStore,
    EventStoreError,
    Impression,
    Play,
    Stored,
)

MAX_WAITING = 100_000  # events, before more are refused
MAX_SHOWN = 10_000  # answers not yet logged, before more are dropped
FLUSH_AT = 1_000  # answers that are logged without waiting for FLUSH_SECONDS
FLUSH_SECONDS = 0.5
MEASURE_SECONDS = 30.0  # between two looks at the size of the store
COMMIT = 10_000  # events, after which a commit takes no further request

Outcome = Stored | Conflict


class StoreBusyError(Exception):
    """An event could not be stored now and must be sent again; the message says why."""


@dataclass(frozen=True)
class Shown:
    """An answer to log. `request_id` is the answer's own; `shown_at` is in milliseconds since the epoch."""

    request_id: str
    user_id: str | None
    items: Sequence[Scored]
    model_version: str
    fallback: str | None
    shown_at: int

    def impressions(self) -> Iterator[Impression]:
        for item in self.items:
            yield Impression(
                self.request_id, item.rank, self.user_id, item.item_id, item.score,
                self.model_version, self.fallback, self.shown_at, item.propensity,
            )  # fmt: skip


class Recorder:
    """The one writer of this process. What waits while a commit runs goes into the next one together.

    Events are acknowledged after their commit. Nothing waits for impressions: a kill loses those of the last
    FLUSH_SECONDS, and where the store cannot keep up, the newest are dropped and counted.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._waiting: list[tuple[Sequence[Play], Future[Outcome]]] = []
        self._waiting_events = 0
        self._shown: list[Shown] = []
        self._stopping = False
        self._problem = ""
        self._clock_told = False
        self._measure_at = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def add(self, plays: Sequence[Play]) -> Future[Outcome]:
        """Store the events of one request: done once they are durable, or failed with StoreBusyError."""
        future: Future[Outcome] = Future()
        with self._changed:
            if self._stopping or self._waiting_events >= MAX_WAITING:
                future.set_exception(StoreBusyError("More events wait than the store can take."))
                return future
            self._waiting.append((plays, future))
            self._waiting_events += len(plays)
            self._changed.notify()
        return future

    def show(self, answer: Shown) -> None:
        """Log an answer soon; never waits."""
        with self._changed:
            if len(self._shown) >= MAX_SHOWN:
                telemetry.IMPRESSIONS.labels("dropped").inc(len(answer.items))
                return
            self._shown.append(answer)
            if len(self._shown) == FLUSH_AT:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due, FLUSH_SECONDS)
                requests = self._next_requests()
                shown, self._shown = self._shown, []
                done = self._stopping and not requests and not shown
            if done:
                return
            self._commit([r for r in requests if r[1].set_running_or_notify_cancel()], shown)

    def _next_requests(self) -> list[tuple[Sequence[Play], Future[Outcome]]]:
        """Those of the next commit, first come, first served."""
        n = events = 0
        while n < len(self._waiting) and events < COMMIT:
            events += len(self._waiting[n][0])
            n += 1
        requests, self._waiting = self._waiting[:n], self._waiting[n:]
        self._waiting_events -= events
        return requests

    def _due(self) -> bool:
        return bool(self._waiting) or self._stopping or len(self._shown) >= FLUSH_AT

    def _commit(self, requests: Sequence[tuple[Sequence[Play], Future[Outcome]]], shown: list[Shown]) -> None:
        if not requests and not shown:
            return
        impressions = [one for answer in shown for one in answer.impressions()]
        try:
            with telemetry.COMMIT_SECONDS.time():
                outcomes = self._store.add([plays for plays, _ in requests], impressions)
        except Exception as error:  # whatever it is, no request may wait for ever
            telemetry.IMPRESSIONS.labels("dropped").inc(len(impressions))
            telemetry.EVENT_STORE_FAILING.set(1)
            trace = None if isinstance(error, EventStoreError) else error
            if requests or str(error) != self._problem:
                telemetry.log("events not stored", error=trace, reason=str(error), requests=len(requests))
            self._problem = str(error)
            for _, future in requests:
                future.set_exception(StoreBusyError("The event store cannot be written now."))
            return
        telemetry.IMPRESSIONS.labels("stored").inc(len(impressions))
        telemetry.EVENT_STORE_FAILING.set(0)
        self._problem = ""
        self._tell_of_clocks(self._store.ahead_ms)
        self._measure()
        for (_, future), outcome in zip(requests, outcomes, strict=True):
            _count(outcome)
            future.set_result(outcome)

    def _measure(self) -> None:
        """How large the store is, now and then."""
        if time.monotonic() < self._measure_at:
            return
        self._measure_at = time.monotonic() + MEASURE_SECONDS
        with suppress(EventStoreError):
            for part, size in vars(self._store.size()).items():
                telemetry.EVENT_STORE_BYTES.labels(part).set(size)

    def _tell_of_clocks(self, ahead_ms: int) -> None:
        """Once, while some clock is wrong."""
        wrong = ahead_ms > CLOCK_AHEAD_MS
        telemetry.CLOCK_AHEAD.set(ahead_ms / 1000 if wrong else 0)
        if wrong and not self._clock_told:
            telemetry.log(
                "clock wrong",
                reason=f"The newest event of the store came from a clock that was {ahead_ms / 1000:,.0f} s "
                "ahead of this machine's: set the clock that is wrong. Events are taken in their order.",
            )
        self._clock_told = wrong


def _count(outcome: Outcome) -> None:
    if isinstance(outcome, Conflict):
        telemetry.EVENTS.labels("conflict").inc()
        return
    for name, n in vars(outcome).items():
        telemetry.EVENTS.labels(name).inc(n)
