"""`make clean` removes what this project made, and nothing else: whatever else lies there, it stays."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.operator.clean import CACHES, OURS, clean
from pipelines.operator.environment import MARKER, PARTS, HomeError, mark

ROOT = Path(__file__).resolve().parents[3]


def made(home: Path, marked: bool = True) -> Path:
    """A home after a run, or one of before there were markers."""
    home.mkdir(parents=True, exist_ok=True)
    if marked:
        mark(home)
    for name in ("lake", "raw", "dagster"):
        (home / name).mkdir(exist_ok=True)
        (home / name / "state").write_text("ours")
    for name in ("run.lock", "warehouse.duckdb"):
        (home / name).write_text("")
    return home


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("name", ["home", "My Data/ho me", "h%41#;&'\"$[1]*é", "-x"])
def test_a_home_goes_whole_and_nothing_beside_it(tmp_path: Path, name: str, marked: bool) -> None:
    beside = tmp_path / "My" / "thesis.txt"
    beside.parent.mkdir()
    beside.write_text("precious")
    home = made(tmp_path / name, marked)
    assert clean(home).startswith(f"Removed from {home}: dagster, lake, raw, run.lock, warehouse.duckdb")
    assert not home.exists() and beside.read_text() == "precious"
    assert "There is nothing to remove" in clean(home)


def test_an_empty_folder_stays(tmp_path: Path) -> None:
    assert "There is nothing to remove" in clean(tmp_path) and tmp_path.exists()


@pytest.mark.parametrize("kind", ["of somebody", "git", "root", "a file", "all names of ours"])
def test_what_is_no_home_stays(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    if kind == "git":
        (folder / ".git").mkdir()
    if kind == "all names of ours":
        (folder / "thesis.txt").rename(folder / "reports")
    named = {"root": Path("/"), "a file": folder / "thesis.txt"}.get(kind, folder)
    with pytest.raises(HomeError, match=r"does not look like a home of Nextplay, so nothing is removed"):
        clean(named)
    assert len(list(folder.iterdir())) == (2 if kind == "git" else 1)


def test_what_was_there_before_or_came_later_stays(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()  # though a home has a part of that name
    (tmp_path / "raw" / "plays.csv").write_text("precious")
    home = made(tmp_path)
    (home / "thesis.txt").write_text("precious")
    told = clean(home)
    assert "raw, thesis.txt stays, as it is not Nextplay's" in told
    assert (home / "raw" / "plays.csv").exists() and (home / "thesis.txt").exists()
    assert not (home / "lake").exists()


def test_what_stays_is_no_home_any_more_and_is_told_so(tmp_path: Path) -> None:
    home = made(tmp_path)
    (home / "thesis.txt").write_text("precious")
    clean(home)
    with pytest.raises(
        HomeError, match=r"there is nothing of Nextplay in it\. After an earlier clean all is well"
    ):
        clean(home)
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]


def test_an_old_home_with_something_else_in_it_stays_whole(tmp_path: Path) -> None:
    home = made(tmp_path, marked=False)
    (home / "thesis.txt").write_text("precious")
    with pytest.raises(HomeError, match=r"holds thesis.txt beside Nextplay's own, so nothing is removed"):
        clean(home)
    assert (home / "lake" / "state").exists()


def test_where_links_lead_things_stay(tmp_path: Path) -> None:
    elsewhere, link = tmp_path / "disk", tmp_path / "var"
    elsewhere.mkdir()
    (elsewhere / "data").mkdir()
    (elsewhere / "data" / "plays.csv").write_text("precious")
    link.symlink_to(elsewhere / "home")
    (elsewhere / "home").mkdir()
    home = made(link)
    (home / "events").symlink_to(elsewhere / "data")
    clean(home)
    assert link.is_symlink() and list((elsewhere / "home").iterdir()) == []
    assert (elsewhere / "data" / "plays.csv").exists()


def test_a_home_in_use_stays(tmp_path: Path) -> None:
    home = made(tmp_path / "home")
    with (home / "run.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(HomeError, match="A run works in"):
            clean(home)
    assert (home / "lake" / "state").exists()


def test_a_second_look_keeps_what_was_noted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    mark(tmp_path)
    first = (tmp_path / MARKER).read_bytes()
    (tmp_path / "more.txt").write_text("later")
    mark(tmp_path)
    assert (tmp_path / MARKER).read_bytes() == first and b"thesis.txt" in first


def test_all_that_a_run_makes_is_known(tiny_run) -> None:
    there = {path.name for path in Path(tiny_run.home.path).iterdir()}
    assert there <= OURS and {*PARTS, *CACHES} <= OURS


@pytest.mark.parametrize("home", ["My Data/home", "q'u\"o$t;e&#%41"])
def test_make_clean_takes_the_standard_library_alone_and_any_path(tmp_path: Path, home: str) -> None:
    named = made(tmp_path / home)
    isolated = [sys.executable, "-I", "-S", "-c", "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
                "runpy.run_module('pipelines.operator.clean', run_name='__main__')", str(ROOT)]  # fmt: skip
    environment = os.environ | {"NEXTPLAY_HOME": str(named)}
    done = subprocess.run(isolated, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(f"Removed from {named}: "), done.stderr
    assert not named.exists()
