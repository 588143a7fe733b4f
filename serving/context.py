"""What the routes share: made once by `create_app`, handed to every router."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from fastapi import HTTPException

from models.feedback import Feedback
from serving.blocklist import Blocklist
from serving.listing import Listing
from serving.ranking import top_k
from serving.recommender import Scored
from serving.recorder import Recorder, Shown
from serving.reload import Follower, ServedModel
from serving.settings import Settings
from serving.state.events import now_ms
from serving.trend import Trend
from serving.turns import Turns
from serving.users import History, Users

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Context:
    """Settings, the model in service, the users, what records events and what lists items (None where no
    store is set), the items that operators took out, the turns in which answers are computed, and the threads
    that change the store, and that ask it for histories."""

    settings: Settings
    follower: Follower
    users: Users
    recorder: Recorder | None
    listing: Listing | None
    blocklist: Blocklist
    turns: Turns
    store_threads: Executor
    history_threads: Executor
    trend: Trend | None = None

    @cached_property
    def feedback(self) -> Feedback:
        """What each kind of event counts."""
        return Feedback.of(self.settings.feedback)

    async def ask_store(self, call: Callable[[Asked], Found], asked: Asked) -> Found:
        """Call in one of a few threads that stay: the store keeps one connection per thread."""
        return await asyncio.get_running_loop().run_in_executor(self.store_threads, call, asked)

    async def history(self, user_id: str) -> History:
        """What is known of a user; raises EventStoreError."""
        return await asyncio.get_running_loop().run_in_executor(
            self.history_threads, self.users.history, user_id
        )

    def log_answer(
        self, answer_id: str, user_id: str | None, items: Sequence[Scored], version: str, fallback: str | None
    ) -> None:
        """Log what was recommended, where that is asked for. `answer_id` is the request id of one answer."""
        if self.recorder is not None and self.settings.impressions:
            self.recorder.show(Shown(answer_id, user_id, items, version, fallback, now_ms()))

    def most_played(self, count: int) -> list[str]:
        """The ids of the items that were played most, of the model in service; none before the first."""
        if self.follower.current is None:
            return []
        items = self.follower.current.recommender.items
        best = top_k(items.counts[1:].astype(np.float64), count) + 1
        return [items.ids[i] for i in best.tolist()]

    def model(self) -> ServedModel:
        """The model in service; take it once a request, so that no answer mixes two. 503 before the first."""
        if self.follower.current is None:
            raise HTTPException(
                503, "No model is loaded yet: try again in a few seconds.", {"Retry-After": "2"}
            )
        return self.follower.current
