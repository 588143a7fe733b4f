"""Runs of the whole pipeline in processes of their own, which may die, and what they leave behind."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from assets.resources import Home
from models.bundle.bundle import bundle_hash
from tests.support.runs import ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
HANGS_S = 800  # no run of the tiny sample takes that long, however busy the machine is
KILLABLE = Path(__file__).with_name("killable_run.py")


def environment(home: Path, **more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    return inherited | {
        "DAGSTER_HOME": str(home / "dagster"),
        "NEXTPLAY_HOME": str(home),
        **ENVIRONMENT,
        "PYTHONPATH": str(ROOT),
        **more,
    }


def run(
    home: Path, script: Path = KILLABLE, arguments: Sequence[str] = ("0",), **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env=environment(home, **more), cwd=ROOT, capture_output=True, text=True, check=False, timeout=HANGS_S,
    )  # fmt: skip


def state(home: Path) -> dict[str, str]:
    """The content of every current table and bundle, by hash."""
    lake = Home(path=str(home)).lake()
    tables = json.loads((home / "lake" / "pointer.json").read_text())
    hashes = {table: lake.current(table).content_hash for table in tables}
    known = home / "bundles" / "current.json"
    bundles = json.loads(known.read_text()) if known.exists() else {}
    return hashes | {name: bundle_hash(home / "bundles" / folder) for name, folder in bundles.items()}
