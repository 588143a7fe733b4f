"""Targets call `nextplay` with what they are given; it follows the pointer and the events that are named."""

import os
import subprocess
from pathlib import Path

import pytest

from pipelines.operator import servers
from pipelines.operator.cli import answer
from serving import open_page

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("NEXTPLAY_POINTER", "NEXTPLAY_EVENTS", "NEXTPLAY_DATABASE", "NEXTPLAY_REPORTS")
OF_AN_OUTER_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
DATABASE = "postgresql://me:p%3Fs@host/nextplay?sslmode=require&x=$1"


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a command's endpoint is told; a stand-in for it writes that down."""
    heard: dict[str, str] = {}

    def listen(*_: object) -> None:
        heard.update(pointer=os.environ["NEXTPLAY_POINTER"], events=os.environ.get("NEXTPLAY_EVENTS", ""))

    monkeypatch.setattr(servers, "become", listen)
    monkeypatch.setattr(open_page, "main", listen)

    def run(command: str, **named: str) -> dict[str, str]:
        monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path / "home"))
        for name in NAMED:
            monkeypatch.setenv(name, named.get(name, ""))  # undone later, whatever the command sets
            if name not in named:
                monkeypatch.delenv(name)
        assert answer([command]) == 0
        return dict(heard)

    return run


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_an_endpoint_follows_the_homes_champion_or_the_named_one(command: str, told, tmp_path: Path) -> None:
    assert told(command)["pointer"] == f"{tmp_path}/home/champion/pointer.json"
    assert told(command, NEXTPLAY_POINTER="s3://a/b.json")["pointer"] == "s3://a/b.json"


def test_events_go_where_the_pipeline_reads_them(told, tmp_path: Path) -> None:
    assert told("serve")["events"] == told("serve", NEXTPLAY_EVENTS="")["events"]
    assert told("serve")["events"] == f"{tmp_path}/home/events/events.db"
    assert told("serve", NEXTPLAY_DATABASE=DATABASE)["events"] == DATABASE
    both = {"NEXTPLAY_DATABASE": "postgresql://other/one", "NEXTPLAY_EVENTS": "else where/events.db"}
    assert told("serve", **both)["events"] == "else where/events.db"
    assert told("demo", NEXTPLAY_DATABASE=DATABASE)["events"] == ""


def environment() -> dict[str, str]:
    """Ours, without what an outer make says to an inner one."""
    return {name: value for name, value in os.environ.items() if name not in OF_AN_OUTER_MAKE}


@pytest.mark.parametrize(
    ("target", "arguments"),
    [
        (["run"], ["run"]),
        (["status", "JSON=1"], ["status", "--json"]),
        (
            ["promote", "VERSION=3", "BY=ada", 'REASON=it\'s "old"'],
            ["promote", "--by", "ada", "--reason", 'it\'s "old"', "--", "3"],
        ),
        (["forget", "USER=-7"], ["forget", "--", "-7"]),
        (["holds", "USER=-7"], ["holds", "--", "-7"]),
        (["erase"], ["erase"]),
        (["prune"], ["prune"]),
        (["prune", "YES=1"], ["prune", "--yes"]),
        (["backup", "TO=/mnt/to night"], ["backup", "--", "/mnt/to night"]),
        (["restore"], ["restore", "--", ""]),
        (["reproduce", "VERSION=3"], ["reproduce", "--", "3"]),
        (["serve"], ["serve"]),
        (["demo"], ["demo"]),
        (["demo", "PORT=3100"], ["demo", "--port", "3100"]),
    ],
    ids=" ".join,
)
def test_a_target_hands_on_what_it_is_given(target: list[str], arguments: list[str], tmp_path: Path) -> None:
    stub = tmp_path / "nextplay"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stub.chmod(0o755)
    done = subprocess.run(
        ["make", "--assume-old=.venv/installed", f"BIN={tmp_path}", *target],
        cwd=ROOT, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "".join(f"{argument}\n" for argument in arguments)


def test_forget_asks_whom_though_the_shell_has_a_user() -> None:
    done = subprocess.run(
        ["make", "--assume-old=.venv/installed", "forget"],
        cwd=ROOT, env=environment() | {"USER": "ada"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0 and done.stdout.startswith("Say whom: make forget USER=")
