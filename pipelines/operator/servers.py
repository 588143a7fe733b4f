"""The commands that serve until they are stopped: the endpoint, its page, Dagster's UI, MLflow's."""

import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import click

from pipelines.operator.environment import checked_settings, open_home
from pipelines.operator.terminal import say

HOST = "127.0.0.1"


def listening(setting: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a command that listens, by default on the port of that setting."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        told = f"NEXTPLAY_{setting.upper()} unless it is given."
        named = click.option("--port", type=click.IntRange(0, 65_535), help=told)
        return click.option("--host", help="127.0.0.1 unless it is given.")(named(command))

    return add


@click.command()
@listening("port")
def serve(host: str | None, port: int | None) -> None:
    """Serve the champion's endpoint with BentoML."""
    checked_settings()
    from serving.settings import Deployment, load, load_settings

    follow_home()
    events = os.environ.get("NEXTPLAY_DATABASE") or str(_home() / "events" / "events.db")
    os.environ["NEXTPLAY_EVENTS"] = os.environ.get("NEXTPLAY_EVENTS") or events
    load_settings()
    deployment = load(Deployment)
    host, port = free_place(
        host or deployment.host, deployment.port if port is None else port, "NEXTPLAY_PORT"
    )
    become("bentoml", "serve", "serving.service:Nextplay", "--host", host, "--port", str(port))


@click.command()
@listening("demo_port")
def demo(host: str | None, port: int | None) -> None:
    """Serve the champion's page, and open it in a browser."""
    checked_settings()
    from pipelines.resources import Servers
    from serving import open_page

    follow_home()
    open_page.main(host or HOST, Servers().demo_port if port is None else port)


@click.command()
@listening("ui_port")
def ui(host: str | None, port: int | None) -> None:
    """Serve Dagster's UI, and run the nightly schedule."""
    open_home()
    from pipelines.instance import prepare_instance
    from pipelines.resources import Servers

    host, port = free_place(host or HOST, Servers().ui_port if port is None else port, "NEXTPLAY_UI_PORT")
    prepare_instance()
    workspace = str(files("pipelines") / "workspace.yaml")
    become("dagster", "dev", "-w", workspace, "-h", host, "-p", str(port))


@click.command()
@listening("mlflow_port")
def mlflow(host: str | None, port: int | None) -> None:
    """Serve MLflow's UI: runs and models."""
    _, home = open_home()
    from assets.state.files import sqlite_address
    from pipelines.resources import Servers

    host, port = free_place(
        host or HOST, Servers().mlflow_port if port is None else port, "NEXTPLAY_MLFLOW_PORT"
    )
    folder = home.folder("mlflow")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # 2 processes instead of 10
    store = ("--backend-store-uri", sqlite_address(folder / "mlflow.db"))
    artifacts = ("--artifacts-destination", (folder / "artifacts").as_uri())
    say(f"The runs: http://{host}:{port}{home.tracking().runs_page}")
    become("mlflow", "server", "--workers", "1", "--host", host, "--port", str(port), *store, *artifacts)


def free_place(host: str, port: int, setting: str) -> tuple[str, int]:
    """Where to listen, seen to be free before anything starts. Raises PortError."""
    from serving.listener import usable_port

    return host, usable_port(host, port, setting)


def follow_home() -> None:
    """Name the home's champion and its reports, where no others are named."""
    for name, place in (("POINTER", _home() / "champion" / "pointer.json"), ("REPORTS", _home() / "reports")):
        os.environ[f"NEXTPLAY_{name}"] = os.environ.get(f"NEXTPLAY_{name}") or str(place)


def _home() -> Path:
    return Path(os.environ.get("NEXTPLAY_HOME") or "var").resolve()


def become(program: str, *arguments: str) -> NoReturn:
    """Be this program from here on, so that signals and the exit status are its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", program, *arguments])


COMMANDS = (serve, demo, ui, mlflow)
