"""docs/tutorial.md works as it stands: its snippet, its settings, its figures and its answers."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from fastapi.testclient import TestClient

from assets.clean.clean import clean
from assets.evaluation.gate import read_verdict
from assets.evaluation.leaderboard import leaderboard_rows
from assets.ingest.raw_files import raw_files
from assets.resources import Home
from pipelines.definitions import define
from pipelines.resources import Settings, read_settings, resources
from serving.app import create_app
from serving.settings import Settings as ServingSettings

TEXT = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS: list[str] = [text for language, text in BLOCKS if not language]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the reader is, after the first step, with the settings of the second one."""
    (script,) = (text for language, text in BLOCKS if language == "python")
    (tmp_path / "var" / "books").mkdir(parents=True)
    (tmp_path / "var" / "books" / "make_plays.py").write_text(script, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "var/books/make_plays.py"], check=True)
    for name, value in re.findall(r"^export (\w+)=(.*)$", TEXT, re.MULTILINE):
        monkeypatch.setenv(name, value.strip("'").replace("$PWD", str(tmp_path)))
    return tmp_path


def test_the_table_is_the_one_that_is_shown(folder: Path) -> None:
    commands = COMMANDS[0].splitlines()[1:]
    shown = subprocess.run(["bash", "-c", "\n".join(commands)], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines() == COMMANDS[1].splitlines()


def test_the_broken_line_is_in_quarantine_as_shown(folder: Path) -> None:
    settings = read_settings()
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.materialize(
            [raw_files, clean], instance=instance, resources=resources(settings), raise_on_error=False
        )
    assert made.success
    shown = _after("SELECT file, line, reason, text FROM quarantine")
    with _home(settings).lake().connect("quarantine") as connection:
        rows = connection.execute("SELECT file, line, reason, text FROM quarantine").fetchall()
    assert " ".join(map(str, rows)) == shown.strip()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_run_and_the_answers_are_those_that_are_shown(folder: Path) -> None:
    settings = read_settings()
    job = define(settings).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    home = _home(settings)
    shown = dict(re.findall(r"^  (\w+) +(?:candidate|baseline) +([\d.]+)", TEXT, re.MULTILINE))
    found = {row["model"]: row["ndcg_at_10"] for row in leaderboard_rows(home.lake())}
    assert found.keys() == shown.keys()
    for model, value in found.items():
        assert value == pytest.approx(float(shown[model]), abs=0.03 if model == "gru4rec" else 6e-5)
    assert read_verdict(home).winner == "gru4rec"

    bodies = [json.loads(body) for body in re.findall(r"^curl .* -d '(.*)'$", TEXT, re.MULTILINE)]
    paths = re.findall(r"^curl -s http://127.0.0.1:3000(\S+)", TEXT, re.MULTILINE)
    expected = [json.loads(line) for line in TEXT.splitlines() if line.startswith("{")]
    serving = ServingSettings(pointer=str(home.pointer_file), events=str(folder / "events.db"))
    with TestClient(create_app(serving)) as client:
        for path, body, answer in zip(paths, bodies, expected, strict=True):
            got = client.post(path, json=body).json()
            assert got.keys() == answer.keys()
            assert [i["item_id"] for i in got.get("items", [])] == [
                i["item_id"] for i in answer.get("items", [])
            ]
            assert got.get("stored") == answer.get("stored")


def _gist(answer: dict[str, Any]) -> tuple[list[str], int | None]:
    """The items recommended, and how many events were stored: scores and ids of requests differ."""
    return [item["item_id"] for item in answer.get("items", [])], answer.get("stored")


def _after(command: str) -> str:
    """What the tutorial shows below the block with this command."""
    (place,) = (i for i, text in enumerate(COMMANDS) if command in text)
    return COMMANDS[place + 1]


def _home(settings: Settings) -> Home:
    home = resources(settings)["home"]
    assert isinstance(home, Home)
    return home
