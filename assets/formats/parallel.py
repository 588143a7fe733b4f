"""Work on pieces of a stream: in processes, or in threads where NumPy, Arrow and zlib leave Python free."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from threading import Thread
from typing import TypeVar

from models.cores import usable_cores

Piece = TypeVar("Piece")
Result = TypeVar("Result")

WORKERS = min(4, usable_cores())


def in_order(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int = WORKERS
) -> Iterator[Result]:
    """`map` in threads: results in the order of the pieces, and never more than a few pieces in memory."""
    with ThreadPoolExecutor(workers) as pool:
        yield from _in_order(pool, function, pieces, workers)


def in_processes(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int
) -> Iterator[Result]:
    """The same in processes, to which all of it is sent; they end with this one, however it ends."""
    started_anew = multiprocessing.get_context("spawn")  # a fork would copy locks that a thread holds
    with ProcessPoolExecutor(workers, started_anew, _end_with_the_parent) as pool:
        yield from _in_order(pool, function, pieces, workers)


def _in_order(
    pool: Executor, function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int
) -> Iterator[Result]:
    waiting: deque[Future[Result]] = deque()
    try:
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:  # whoever asked has gone
            future.cancel()


def _end_with_the_parent() -> None:
    """In a worker: a pool's processes would wait for work from one that was killed, for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all of a terminal: the parent decides
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    Thread(target=watch, daemon=True).start()
