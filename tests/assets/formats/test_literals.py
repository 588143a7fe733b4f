import ast
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from assets.formats.literals import RefusedError, literal


@contextmanager
def collections_that_parse(times: int) -> Iterator[list[int]]:
    """Collects garbage often; the first `times` collections parse, deep in a stack, as a traceback does."""
    done: list[int] = []

    def parse_deeply(depth: int) -> None:
        if depth:
            parse_deeply(depth - 1)
        else:
            ast.parse("1 + 1")

    def after(phase: str, info: dict[str, int]) -> None:
        if phase == "stop" and len(done) < times:
            done.append(info["generation"])
            parse_deeply(30)

    thresholds = gc.get_threshold()
    gc.callbacks.append(after)
    gc.set_threshold(50)
    try:
        yield done
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(after)


def test_a_parse_amid_a_parse_does_not_lose_a_line() -> None:
    value = [{"a": number, "b": [str(number)]} for number in range(300)]
    with collections_that_parse(times=3) as done:
        assert literal(repr(value)) == value
    assert done


@pytest.mark.parametrize("text", ["", "a", "1 +", "f()", "[" * 300, b"\xff"])
def test_what_is_no_literal_is_refused(text: Any) -> None:
    with pytest.raises(RefusedError):
        literal(text)
