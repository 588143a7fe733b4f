"""The commands that serve until they are stopped: the endpoint, its page, Dagster's UI, MLflow's."""

import os
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import click

from pipelines.operator.environment import open_home


def listening(port: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a command that listens, on that port by default."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        named = click.option("--port", type=click.IntRange(0, 65_535), default=port, show_default=True)
        return click.option("--host", default="127.0.0.1", show_default=True)(named(command))

    return add


@click.command()
@listening(3000)
def serve(host: str, port: int) -> None:
    """Serve the champion's endpoint with BentoML."""
    follow_home()
    events = os.environ.get("NEXTPLAY_DATABASE") or str(_home() / "events" / "events.db")
    os.environ["NEXTPLAY_EVENTS"] = os.environ.get("NEXTPLAY_EVENTS") or events
    become("bentoml", "serve", "serving.service:Nextplay", "--host", host, "--port", str(port))


@click.command()
@listening(3000)
def demo(host: str, port: int) -> None:
    """Serve the champion's page, and open it in a browser."""
    follow_home()
    from serving import open_page

    open_page.main(host, port)


@click.command()
@listening(3001)
def ui(host: str, port: int) -> None:
    """Serve Dagster's UI, and run the nightly schedule."""
    open_home()
    from pipelines.instance import prepare_instance

    prepare_instance()
    workspace = str(files("pipelines") / "workspace.yaml")
    become("dagster", "dev", "-w", workspace, "-h", host, "-p", str(port))


@click.command()
@listening(5000)
def mlflow(host: str, port: int) -> None:
    """Serve MLflow's UI: runs and models."""
    _, home = open_home()
    folder = home.folder("mlflow")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # 2 processes instead of 10
    store = ("--backend-store-uri", f"sqlite:///{folder}/mlflow.db")
    artifacts = ("--artifacts-destination", f"{folder}/artifacts")
    click.echo(f"The runs: http://{host}:{port}{home.tracking().runs_page}")
    become("mlflow", "server", "--workers", "1", "--host", host, "--port", str(port), *store, *artifacts)


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
