"""Pieces of a stream in threads and in processes: in order, and no process outlives who started it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assets.formats.parallel import in_order, in_processes


@pytest.mark.parametrize("way", [in_order, in_processes])
def test_results_come_in_the_order_of_the_pieces(way: object) -> None:
    assert callable(way)
    assert list(way(abs, range(-20, 0), 2)) == list(range(20, 0, -1))


def test_an_error_in_a_process_reaches_who_asked() -> None:
    with pytest.raises(TypeError):
        list(in_processes(abs, ["a", "b"], 2))  # type: ignore[arg-type,list-item]


def test_a_worker_ends_with_the_process_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "asks.py"
    script.write_text(
        "import os\nfrom assets.formats.parallel import in_processes\n"
        "def pid(_):\n    return os.getpid()\n"
        "if __name__ == '__main__':\n"
        "    for one in in_processes(pid, range(10**9), 1):\n        print(one, flush=True)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=environment) as asks:
        assert asks.stdout is not None
        worker = int(asks.stdout.readline())
        asks.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < until, "the worker waits for work for ever"
        time.sleep(0.05)
