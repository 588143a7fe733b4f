"""Real servers for tests: S3 and Postgres, each a process of its own that can go away and come back."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tenacity

BUCKET = "nextplay"
S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(ready: Callable[[], bool], seconds: float = 60) -> None:
    tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda done: not done) | tenacity.retry_if_exception_type(OSError),
        wait=tenacity.wait_fixed(0.1),
        stop=tenacity.stop_after_delay(seconds),
        reraise=True,
    )(ready)


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


@dataclass(frozen=True)
class Server:
    """A server on a port of this machine; `environment` is what its clients need."""

    port: int
    process: "subprocess.Popen[bytes]"
    environment: dict[str, str]

    def away(self, seconds: float) -> None:
        """Hold the server still, as a network that is cut does."""
        self.process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def s3_server() -> Iterator[Server]:
    """moto's S3, with one empty bucket."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    environment = S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    try:
        wait_for(lambda: _answers(port))
        import boto3

        client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1",
                              aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
        client.create_bucket(Bucket=BUCKET)
        yield Server(port, process, environment)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def postgres_binaries() -> Path | None:
    """The folder of Postgres's programs, which Debian keeps out of the path."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders else None


class Postgres:
    """A Postgres server in a folder; `address` makes the database that it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._binaries = postgres_binaries()
        self._folder = folder
        self.port = free_port()

    def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c max_connections=200"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", self._folder / "data", "-o", options, "-l", log, "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")

    def create(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:  # Postgres refuses to run as root
            shutil.chown(self._folder, "postgres")
        self._run("initdb", "-D", self._folder / "data", "-U", "nextplay", "-A", "trust", "--no-sync")
        self.start()

    def away(self, seconds: float) -> None:
        """Crash the server, and start it again after some time."""
        self.stop()
        time.sleep(seconds)
        self.start()

    def address(self, database: str) -> str:
        import psycopg

        server = f"postgresql://nextplay@127.0.0.1:{self.port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
            if not known:
                connection.execute(f'CREATE DATABASE "{database}"')
        return f"{server}/{database}"

    def dagster_address(self, database: str) -> str:
        """Dagster's statements are those of psycopg2, which SQLAlchemy takes only where it is named."""
        return self.address(database).replace("postgresql://", "postgresql+psycopg2://")

    def _run(self, program: str, *arguments: object) -> None:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        done = subprocess.run(
            [*as_postgres, str(self._binaries / program), *map(str, arguments)],
            cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode()
