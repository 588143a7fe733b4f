"""A FIFO or a folder in the place of a file of the home: told in a sentence, and never waited for."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.release.erasure import erase, holding
from assets.release.promotion import rollback
from assets.resources import Home
from assets.state.backup import back_up, restore
from assets.state.home_id import home_id
from models.mistakes import UserError
from serving.state.event_stores import open_event_store
from serving.state.pointer import read_pointer
from tests.support.champions import succession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60)]
READS: dict[str, Callable[[Home], object]] = {
    "champion/pointer.json": lambda home: home.champions().current(),
    "champion/past.json": lambda home: home.champions().past(),
    "champion/history.json": lambda home: home.champions().history(),
    "lake/pointer.json": lambda home: home.lake().published(),
    "bundles/current.json": lambda home: home.bundles().currents(),
    "home.json": lambda home: home_id(home.folder()),
}


@pytest.fixture
def home(tmp_path: Path, mlflow_folder: Path) -> Home:
    home = succession(tmp_path / "home", mlflow_folder, 3)
    home_id(home.folder())
    home.folder("lake")
    return home


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["a FIFO", "a folder"])
def test_what_cannot_be_read_is_told(name: str, make: Callable[[Path], None], home: Home) -> None:
    file = Path(home.path) / name
    file.unlink(missing_ok=True)
    make(file)
    with pytest.raises(UserError) as told:
        READS[name](home)
    assert str(file) in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["pointer.json", "change.json"])
def test_a_rollback_waits_for_no_fifo(name: str, home: Home) -> None:
    file = home.pointer_file.with_name(name)
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    rollback(home)
    now = read_pointer(home.pointer_file)
    assert now is not None and now.version == ("3" if name == "pointer.json" else "2")


def test_a_backup_leaves_a_fifo_out_and_says_so(home: Home, tmp_path: Path, caplog: Any) -> None:
    file = home.folder("reports") / "left.html"
    os.mkfifo(file)
    back_up(home.folder(), tmp_path / "backup")
    assert f"{file} is no file, and is left out of the backup." in caplog.text
    restore(tmp_path / "backup", tmp_path / "again")
    now = Home(path=str(tmp_path / "again")).champions().current()
    assert now is not None and now.version == "3"


def test_erasing_reads_no_fifo(home: Home) -> None:
    os.mkfifo(home.folder("reports") / "left.html")
    store = open_event_store(home.events_file)
    store.forget("ada-lovelace")
    store.close()
    assert erase(home).busy == []
    assert [held.place for held in holding(home, "ada-lovelace")] == ["events/events.db"]


def test_a_folder_in_the_place_of_the_pointer_is_left_alone(home: Home) -> None:
    home.pointer_file.unlink()
    home.pointer_file.mkdir()
    with pytest.raises(UserError, match="is a folder, where a file belongs: move it away"):
        rollback(home)
    assert home.pointer_file.is_dir()
    assert not list(home.pointer_file.parent.glob(".pointer.json.*"))
