"""Models are swapped under constant load: no failed answer, no mixed one, memory flat."""

import asyncio
import os
from pathlib import Path

import pytest

from benchmarks.swaps import Load, publish, server, swaps_under_load

MEMORY_MB = 20.0  # what an allocator may keep between two moments of a server that leaks nothing


def swap(tmp_path: Path, bundles: dict[str, Path], swaps: int) -> Load:
    pointer = tmp_path / "champion.json"
    publish(pointer, bundles["b"], "b")
    with server(pointer) as (url, process):
        both = [bundles["a"], bundles["b"]]
        return asyncio.run(swaps_under_load(url, process, pointer, both, swaps, rate=40.0))


@pytest.mark.parametrize(
    "swaps",
    [12, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(1200)])],
)
@pytest.mark.skipif(not Path("/proc").exists(), reason="memory is read from /proc")
def test_no_swap_fails_or_mixes_an_answer(tmp_path: Path, bundles: dict[str, Path], swaps: int) -> None:
    load = swap(tmp_path, bundles, swaps)
    assert load.failed == load.mixed == 0
    assert {answer.version for answer in load.answers} >= {f"{'ab'[n % 2]}{n}" for n in range(swaps)}
    assert load.grown_mb < MEMORY_MB, os.getloadavg()
