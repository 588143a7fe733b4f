"""A real endpoint with several workers, made to be killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import httpx

from tests.serving.conftest import ROOT, free_port

START_SECONDS = 60.0


class Endpoint:
    """`uvicorn --workers N` on one port, in a process group of its own; may be killed and started again."""

    def __init__(self, folder: Path, workers: int, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / "server.log"
        self._environment = os.environ | {"PYTHONPATH": str(ROOT)} | environment
        self._command = [
            sys.executable, "-m", "uvicorn", "--factory", "serving.app:app_from_environment",
            "--port", str(self.port), "--workers", str(workers), "--log-level", "warning",
        ]  # fmt: skip
        self._workers = workers

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and wait until a worker answers."""
        with self._log.open("a") as log:
            self._server = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"The server did not become ready:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def workers(self) -> list[int]:
        """The processes of the workers that run now; with one worker uvicorn serves in its own."""
        if self._workers == 1:
            return [self._server.pid]
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text().split()
        return [int(pid) for pid in children if "spawn_main" in _command_line(int(pid))]

    def kill_worker(self, number: int) -> None:
        """SIGKILL to one worker; uvicorn starts another in its place."""
        running = self.workers()
        if running:
            with suppress(ProcessLookupError):
                os.kill(running[number % len(running)], signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL to everything at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, signal.SIGKILL)
        self._server.wait()

    @contextmanager
    def client(self) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, timeout=10) as client:
            yield client


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
