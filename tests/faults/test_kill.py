"""A run killed at a write boundary and started again ends with the same tables and bundles, by hash."""

import json
import random
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.runs import run, state

AN_EARLY_BOUNDARY = 17
POINTS = 30
COMMITS = 12  # one in so many


@dataclass(frozen=True)
class Undisturbed:
    first: dict[str, str]  # state after one run
    second: dict[str, str]  # after another, which finds a champion
    boundaries: list[str]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    home = tmp_path_factory.mktemp("undisturbed")
    done = run(home)
    assert done.returncode == 0, done.stderr[-3000:]
    found = re.search(r"boundaries=(.*)", done.stdout)
    first = state(home)
    assert run(home).returncode == 0
    return Undisturbed(first, state(home), json.loads(found[1]))


def drawn(boundaries: list[str]) -> list[int]:
    """Thirty points, from 1: what the refit publishes, all from the Bento's table to the pointer (of MLflow's
    commits there some), and the rest by chance.
    """
    bento = max(i for i, what in enumerate(boundaries) if what.startswith("lake/tables/bento"))
    pointer = boundaries.index("champion/pointer.json")
    commits = [i for i in range(bento, pointer) if boundaries[i].startswith("mlflow.db")]  # a hundred
    always = set(range(bento, pointer + 2)) - set(commits) | set(commits[::COMMITS])
    always |= {i for i, what in enumerate(boundaries) if what.startswith(("bundles/", "lake/tables/refit"))
               and "refit" in what}  # fmt: skip
    others = [i for i in range(len(boundaries)) if i not in always]
    step = len(others) / (POINTS - len(always))
    chance = random.Random(20261125)
    spread = {others[int((i + chance.random()) * step)] for i in range(POINTS - len(always))}
    return sorted(i + 1 for i in always | spread)


@pytest.mark.slow
def test_killed_early_and_run_again(tmp_path: Path, tiny_run) -> None:
    """Up to the tables that training reads: what comes after the kill is made from these alone."""
    assert run(tmp_path, arguments=[str(AN_EARLY_BOUNDARY), "sequences"]).returncode == -signal.SIGKILL
    again = run(tmp_path, arguments=["0", "sequences"])
    assert again.returncode == 0, again.stderr[-3000:]
    undisturbed, made = state(Path(tiny_run.home.path)), state(tmp_path)
    assert {"sequences", "items", "split", "core_interactions", "interactions"} <= made.keys()
    assert made.items() <= undisturbed.items()


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("part", range(6))
def test_killed_at_thirty_boundaries(tmp_path: Path, undisturbed: Undisturbed, part: int) -> None:
    points = drawn(undisturbed.boundaries)
    assert len(points) == POINTS
    for point in points[part::6]:
        what = f"{point}: {undisturbed.boundaries[point - 1]}"
        home = tmp_path / str(point)
        assert run(home, arguments=[str(point)]).returncode == -signal.SIGKILL, what
        folder = home / "champion"
        had_champion = (folder / "pointer.json").exists() or (folder / "change.json").exists()
        again = run(home)
        assert again.returncode == 0, what + again.stderr[-3000:]
        assert state(home) == (undisturbed.second if had_champion else undisturbed.first), what
