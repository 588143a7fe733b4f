"""Endpoints as users run them: a process group of its own on a free port, which may end and start again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 20.0

# One for all questions: making a client costs ten times as much as asking. Each question connects anew.
PROBE = httpx.Client(timeout=5, limits=httpx.Limits(max_keepalive_connections=0))

# Makes what training needs unimportable, in the server's process and in those that it starts.
BLOCKER = """
import os, sys

with open(os.environ["BLOCKED_PROCESSES"], "a") as log:
    log.write(f"{os.getpid()}\\n")

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "mlflow", "dagster", "pyarrow"}:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

sys.meta_path.insert(0, Blocker())
"""


class Server:
    """A command that serves HTTP on `port` of this machine; entered, it runs, and `client` asks it."""

    def __init__(self, command: Sequence[str], port: int, folder: Path, **environment: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._command, self._folder = command, folder
        self._environment = os.environ | environment
        self._log = folder / "server.log"

    def __enter__(self) -> Self:
        self.start()
        self.client = httpx.Client(base_url=self.url, timeout=10)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.stop()

    @property
    def pid(self) -> int:
        return self._server.pid

    def start(self) -> None:
        """Start, and wait until it is ready; also after `stop` and `kill`, on the same port."""
        with self._log.open("a") as log:
            self._server = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            if self._server.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"The server did not become ready:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return PROBE.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End it as an operator does; what is left after a while is killed."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGTERM)
        try:
            self._server.wait(timeout=STOP_SECONDS)
        finally:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to everything at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._server.wait()


def deployment(folder: Path, **environment: str) -> Server:
    """`python -m serving` without training's packages."""
    port = free_port()
    own = {"NEXTPLAY_PORT": str(port), **blocked(folder, str(ROOT)), **environment}
    return Server([sys.executable, "-m", "serving"], port, folder, **own)


def bento(target: str, folder: Path, **environment: str) -> Server:
    """`bentoml serve target` without training's packages, and without this repository in the path."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("bentoml")), "serve", target, "--host", "127.0.0.1"]
    own = {"BENTOML_HOME": str(folder / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"} | blocked(folder)
    return Server([*command, "--port", str(port)], port, folder, **own | environment)


def blocked(folder: Path, *path: str) -> dict[str, str]:
    """The environment in which training's packages cannot be imported; `blocked` lists the processes."""
    (folder / "blocker").mkdir(exist_ok=True)
    (folder / "blocker" / "sitecustomize.py").write_text(BLOCKER)
    return {
        "PYTHONPATH": os.pathsep.join([str(folder / "blocker"), *path]),
        "BLOCKED_PROCESSES": str(folder / "blocked"),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
