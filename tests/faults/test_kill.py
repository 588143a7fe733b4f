"""A run killed at a write boundary and started again ends with the same tables and bundles, by hash."""

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.resources import Home
from models.bundle import bundle_hash

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("killable_run.py")
AN_EARLY_BOUNDARY = 17


def run(home: Path, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    environment |= {
        "DAGSTER_HOME": str(home / "dagster"),
        "NEXTPLAY_HOME": str(home),
        "NEXTPLAY_SAMPLE_SIZE": "tiny",
        "NEXTPLAY_TRAINING": '{"epochs": 4}',
        "NEXTPLAY_PROGRESS": "false",
    }
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(kill_at)],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip


def state(home: Path) -> dict[str, str]:
    """The content of every current table and bundle, by hash."""
    lake = Home(path=str(home)).lake()
    tables = json.loads((home / "lake" / "pointer.json").read_text())
    hashes = {table: lake.current(table).content_hash for table in tables}
    bundles = json.loads((home / "bundles" / "current.json").read_text())
    return hashes | {name: bundle_hash(home / "bundles" / folder) for name, folder in bundles.items()}


@dataclass(frozen=True)
class Undisturbed:
    first: dict[str, str]  # state after one run
    second: dict[str, str]  # after another, which finds a champion
    boundaries: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed")
    done = run(home)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"boundaries=(\d+)", done.stdout)
    first = state(home)
    assert run(home).returncode == 0
    return Undisturbed(first, state(home), int(found[1]))


def test_killed_early_and_run_again(tmp_path: Path, tiny_run) -> None:
    assert run(tmp_path, AN_EARLY_BOUNDARY).returncode == -signal.SIGKILL
    again = run(tmp_path)
    assert again.returncode == 0, again.stderr[-3000:]
    assert state(tmp_path) == state(Path(tiny_run.home.path))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_killed_at_every_boundary(tmp_path: Path, undisturbed: Undisturbed) -> None:
    for point in range(1, undisturbed.boundaries + 1):
        home = tmp_path / str(point)
        assert run(home, point).returncode == -signal.SIGKILL
        had_champion = (home / "champion" / "pointer.json").exists()
        again = run(home)
        assert again.returncode == 0, again.stderr[-3000:]
        assert state(home) == (undisturbed.second if had_champion else undisturbed.first), point
