"""Work on pieces of a stream in threads. NumPy, Arrow and zlib leave the interpreter free while they work."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Piece = TypeVar("Piece")
Result = TypeVar("Result")

WORKERS = min(4, os.cpu_count() or 1)


def in_order(
    function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int = WORKERS
) -> Iterator[Result]:
    """`map` in threads: results in the order of the pieces, and never more than a few pieces in memory."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for piece in pieces:
            waiting.append(pool.submit(function, piece))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
