"""What has been played since the model was trained, in the recent popularity that it counts with.

A model may be recent popularity, or have it among its parts. Between two trainings its shares follow the
events: they are computed anew from the event store, so nothing is lost with a process, and every worker comes
to the same.
"""

import threading
from concurrent.futures import Executor
from datetime import UTC, datetime

import numpy as np

from models.prior import Prior
from models.scorer import Scorer
from serving import telemetry
from serving.reload import Follower, ServedModel
from serving.state.events import CLOCK_TOLERANCE_MS, EventStore, EventStoreError

LOOK_SECONDS = 1.0  # until a model that was just loaded follows, too


class Trend:
    """Keeps the model in service at what was played since it was trained; `threads` ask the store.

    Where the store cannot be read the shares stay as they are, and a log line and a metric say so.
    """

    def __init__(self, store: EventStore, follower: Follower, seconds: float, threads: Executor) -> None:
        self._store, self._follower, self._threads, self._seconds = store, follower, threads, seconds
        self._of: Scorer | None = None  # whose later plays these are
        self._received, self._newest_ms = 0, 0
        self._items, self._played_ms = list[int](), list[int]()
        self._known = set[int]()  # hashes of who played what, where only the first time counts
        self._problem = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="trend", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def until(self, model: ServedModel) -> str:
        """The newest play that the model's recent popularity counts, ISO 8601; empty where none moves."""
        prior = model.recommender.prior
        if prior is None:
            return ""
        newest = self._newest_ms if model.recommender.trained is self._of else prior.newest_ms
        return datetime.fromtimestamp(newest / 1000, UTC).isoformat(timespec="seconds")

    def look(self) -> None:
        """Look once, and move the shares."""
        try:
            model = self._follower.current
            if model and (prior := model.recommender.prior):
                self._threads.submit(self._follow, model, prior).result()
            self._problem = ""
        except Exception as error:  # whatever it is, the next look must come
            if str(error) != self._problem:
                trace = None if isinstance(error, EventStoreError) else error
                telemetry.log("trend not followed", error=trace, reason=str(error))
            self._problem = str(error)
        telemetry.TREND_FAILING.set(bool(self._problem))

    def _follow(self, model: ServedModel, prior: Prior) -> None:
        trained, n_items = model.recommender.trained, model.recommender.manifest.n_items
        if trained is not self._of:
            self._of, self._newest_ms = trained, prior.newest_ms
            # No event that was played later came before.
            self._received = prior.newest_ms - CLOCK_TOLERANCE_MS
            self._items, self._played_ms, self._known = [], [], set()
        index, once = model.recommender.index, model.recommender.manifest.exclude_seen
        for event in self._store.events(self._received):
            self._received = event.sequence
            item = index.get(event.item_id, 0)
            pair = hash((event.user_id, event.item_id))
            if event.played_at <= prior.newest_ms or not 0 < item <= n_items:
                continue
            if once and pair in self._known:
                continue
            self._known.add(pair)
            self._items.append(item)
            self._played_ms.append(event.played_at)
            self._newest_ms = max(self._newest_ms, event.played_at)
        model.recommender.move(np.array(self._items, np.int64), np.array(self._played_ms, np.int64))
        telemetry.TREND_UNTIL.set(self._newest_ms / 1000)

    def _run(self) -> None:
        self.look()
        waited = 0.0
        while not self._stopping.wait(min(self._seconds, LOOK_SECONDS)):
            waited += min(self._seconds, LOOK_SECONDS)
            model = self._follower.current
            if waited >= self._seconds or (model and self._is_new(model)):
                self.look()
                waited = 0.0

    def _is_new(self, model: ServedModel) -> bool:
        """Does it move, and has it not been followed yet?"""
        return model.recommender.prior is not None and model.recommender.trained is not self._of
