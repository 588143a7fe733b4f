"""A real endpoint with several workers, made to be killed."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.support.servers import ROOT, Server, free_port


class Endpoint(Server):
    """`uvicorn --workers N`, whose workers may be killed one by one, or all with their master."""

    def __init__(self, folder: Path, workers: int, **environment: str) -> None:
        port = free_port()
        command = [
            sys.executable, "-m", "uvicorn", "--factory", "serving.app:app_from_environment",
            "--port", str(port), "--workers", str(workers), "--log-level", "warning",
        ]  # fmt: skip
        super().__init__(command, port, folder, PYTHONPATH=str(ROOT), **environment)
        self._workers = workers

    def workers(self) -> list[int]:
        """The processes of the workers that run now; with one worker uvicorn serves in its own."""
        if self._workers == 1:
            return [self.pid]
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in children if "spawn_main" in _command_line(int(pid))]

    def kill_worker(self, number: int) -> None:
        """SIGKILL to one worker; uvicorn starts another in its place."""
        running = self.workers()
        if running:
            with suppress(ProcessLookupError):
                os.kill(running[number % len(running)], signal.SIGKILL)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
