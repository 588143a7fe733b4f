"""`make serve` and `make demo` follow the pointer and the event store that the environment names."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = ("NEXTPLAY_POINTER", "NEXTPLAY_EVENTS", "NEXTPLAY_DATABASE")
OF_AN_OUTER_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
DATABASE = "postgresql://me:p%3Fs@host/nextplay?sslmode=require&x=$1"


@pytest.fixture
def told(tmp_path: Path):
    """What a target's endpoint is told; a stand-in for it writes that down."""
    for name in ("bentoml", "python"):
        stub = tmp_path / "bin" / name
        stub.parent.mkdir(exist_ok=True)
        stub.write_text('#!/bin/sh\nprintf "%s\\n" "pointer=$NEXTPLAY_POINTER" "events=$NEXTPLAY_EVENTS"\n')
        stub.chmod(0o755)

    def run(target: str, **named: str) -> dict[str, str]:
        inherited = {
            name: value for name, value in os.environ.items() if name not in NAMED + OF_AN_OUTER_MAKE
        }
        done = subprocess.run(
            ["make", "--assume-old=.venv/installed", f"BIN={tmp_path / 'bin'}", target],
            cwd=ROOT, env={**inherited, "NEXTPLAY_HOME": str(tmp_path / "home"), **named},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    return run


@pytest.mark.parametrize("target", ["serve", "demo"])
def test_an_endpoint_follows_the_homes_champion_or_the_named_one(target: str, told, tmp_path: Path) -> None:
    assert told(target)["pointer"] == f"{tmp_path}/home/champion/pointer.json"
    assert told(target, NEXTPLAY_POINTER="s3://a/b.json")["pointer"] == "s3://a/b.json"


def test_events_go_where_the_pipeline_reads_them(told, tmp_path: Path) -> None:
    assert told("serve")["events"] == told("serve", NEXTPLAY_EVENTS="")["events"]
    assert told("serve")["events"] == f"{tmp_path}/home/events/events.db"
    assert told("serve", NEXTPLAY_DATABASE=DATABASE)["events"] == DATABASE
    both = {"NEXTPLAY_DATABASE": "postgresql://other/one", "NEXTPLAY_EVENTS": "else where/events.db"}
    assert told("serve", **both)["events"] == "else where/events.db"
    assert told("demo", NEXTPLAY_DATABASE=DATABASE)["events"] == ""
