"""One computation at a time, and a short queue before it: under overload the rest is refused at once."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool

from serving import telemetry

RETRY_AFTER = "1"  # second; a queue of the longest allowed length is worked off in less
Answer = TypeVar("Answer")


class Turns:
    """First come, first served; `longest` says how many may wait.

    So the wait for an answer is bounded, and between two turns the event loop reads and refuses.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._waiting = 0
        self._turn = asyncio.Lock()

    def admit(self) -> None:
        """Raises HTTPException with status 503 where too many wait: ask before a body is read."""
        if self._waiting >= self._longest:
            telemetry.OVERLOADED.inc()
            raise HTTPException(
                503, "Too many requests at once: try again in a second.", {"Retry-After": RETRY_AFTER}
            )

    async def take(self, call: Callable[[], Answer], in_thread: bool) -> Answer:
        """Call when it is this caller's turn; in a thread where it would keep the event loop too long.

        Raises HTTPException with status 503 where too many have come since `admit`.
        """
        self.admit()
        self._waiting += 1
        try:
            async with self._turn:
                if in_thread:
                    return await run_in_threadpool(call)
                await asyncio.sleep(0)  # what has arrived queues, or is refused, before this computes
                return call()
        finally:
            self._waiting -= 1
