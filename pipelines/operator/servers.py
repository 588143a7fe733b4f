"""The commands that serve until they are stopped: the endpoint, its page, Dagster's UI, MLflow's."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import click

from pipelines.operator.environment import checked_settings, open_home
from pipelines.operator.terminal import say
from serving.listener import port_fault

if TYPE_CHECKING:
    from assets.resources import Home
    from pipelines.resources import Settings

HOST = "127.0.0.1"


def listening(setting: str, host: str = HOST) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of a command that listens, by default on the port of that setting; `host` says where."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        told = f"NEXTPLAY_{setting.upper()} unless it is given."
        named = click.option("--port", type=click.IntRange(0, 65_535), help=told)
        return click.option("--host", help=f"{host} unless it is given.")(named(command))

    return add


@click.command()
@listening("port", host="NEXTPLAY_HOST")
def serve(host: str | None, port: int | None) -> None:
    """Serve the champion's endpoint with BentoML."""
    checked_settings()
    from serving.settings import Deployment, load, load_settings

    follow_home()
    events = os.environ.get("NEXTPLAY_DATABASE") or str(_home() / "events" / "events.db")
    os.environ["NEXTPLAY_EVENTS"] = os.environ.get("NEXTPLAY_EVENTS") or events
    load_settings()
    deployment = load(Deployment)
    if "workers" in deployment.model_fields_set and deployment.workers != 1:
        told = "NEXTPLAY_WORKERS has no effect here, where one process answers; it needs python -m serving."
        sys.stderr.write(f"  warning {told}\n")
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
    settings, home = open_home()
    from pipelines.instance import prepare_instance
    from pipelines.resources import Servers

    host, port = free_place(host or HOST, Servers().ui_port if port is None else port, "NEXTPLAY_UI_PORT")
    prepare_instance()
    show_reports(settings, home, host)
    workspace = str(files("pipelines") / "workspace.yaml")
    become("dagster", "dev", "-w", workspace, "-h", host, "-p", str(port))


@click.command()
@listening("mlflow_port")
def mlflow(host: str | None, port: int | None) -> None:
    """Serve MLflow's UI: runs and models.

    They are those of the home, or of the database that NEXTPLAY_MLFLOW_URI names.
    """
    _, home = open_home()
    from assets.resources import Shared
    from assets.state.files import sqlite_address
    from pipelines.resources import Servers

    shared = Shared().address("mlflow_uri")
    if shared and shared.startswith(("http://", "https://")):
        raise click.ClickException(
            "NEXTPLAY_MLFLOW_URI names a server of MLflow, which shows runs and models: open its address."
        )
    host, port = free_place(
        host or HOST, Servers().mlflow_port if port is None else port, "NEXTPLAY_MLFLOW_PORT"
    )
    folder = home.folder("mlflow")
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # 2 processes instead of 10
    # No argument, which everybody on the machine could read: the address may hold a password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = shared or sqlite_address(folder / "mlflow.db")
    artifacts = ("--artifacts-destination", (folder / "artifacts").as_uri())
    say(f"The runs: http://{host}:{port}{home.tracking().runs_page}")
    become("mlflow", "server", "--workers", "1", "--host", host, "--port", str(port), *artifacts)


def free_place(host: str, port: int, setting: str) -> tuple[str, int]:
    """Where to listen, seen to be free before anything starts. Raises PortError."""
    from serving.listener import usable_port

    return host, usable_port(host, port, setting)


@click.command()
@click.option("--host", default=HOST, show_default=True)
def reports(host: str) -> None:
    """Serve the page of nights and the gate reports.

    At the port of NEXTPLAY_REPORTS_URL, the page written anew. `nextplay ui` does so too.
    """
    settings, home = open_home()
    from pipelines.operator.overview.gather import write_overview

    write_overview(settings, home)
    port = _port(settings)
    if fault := port_fault(host, port):
        raise click.ClickException(f"{_not_there(port, fault)}.")
    say(f"Nights and reports  http://{host}:{port}/")
    become("serving.reports", str(home.folder("reports")), host, str(port), "forever")


def show_reports(settings: "Settings", home: "Home", host: str) -> None:
    """Start the server of the reports, for the links of Dagster's UI; it ends with the process that this is.

    Where their address has a path, somebody else serves them, such as the endpoint.
    """
    from pipelines.operator.overview.gather import try_overview

    try_overview(settings, home)
    if urlsplit(settings.reports_url).path != "/":
        return
    port = _port(settings)
    if fault := port_fault(host, port):
        click.echo(f"{_not_there(port, fault)}; until then the links to reports lead nowhere.", err=True)
        return
    command = [sys.executable, "-m", "serving.reports", str(home.folder("reports")), host, str(port)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert server.stdin is not None
    os.set_inheritable(server.stdin.fileno(), True)  # so that it stays open in what this process becomes


def _port(settings: "Settings") -> int:
    found = urlsplit(settings.reports_url)
    return found.port or (443 if found.scheme == "https" else 80)


def _not_there(port: int, fault: str) -> str:
    another = "set NEXTPLAY_REPORTS_URL to another address, such as http://127.0.0.1:3102/"
    return f"The reports cannot be served at port {port}, {fault}: {another}"


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


COMMANDS = (serve, demo, ui, mlflow, reports)
