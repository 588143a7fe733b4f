"""Homes of others, places that cannot be written, and files for their owner alone."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock

from models.bundle.bundle import BundleError
from pipelines.instance import open_instance
from pipelines.operator import environment
from pipelines.operator.cli import answer
from pipelines.operator.environment import prepare_home, set_defaults
from serving.private import keep_private
from serving.state.pointer import read_pointer
from serving.state.user_state import UserStateError, open_snapshot


@pytest.fixture
def as_shells_have_it(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A umask of 022 and no variables that name a home; both are as before afterwards."""
    before = os.umask(0o022)
    for name in ("NEXTPLAY_HOME", "DAGSTER_HOME", "BENTOML_HOME", "DAGSTER_FILES"):
        monkeypatch.setenv(name, "x")  # so that what is set meanwhile goes afterwards
        monkeypatch.delenv(name)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(path): stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (folder, *folder.rglob("*"))}


def test_a_new_home_is_its_owners_alone(
    tmp_path: Path, as_shells_have_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path / "home"))
    set_defaults()
    prepare_home(tmp_path / "home")
    with open_instance():
        pass
    (tmp_path / "home" / "new").mkdir()
    assert len(modes(tmp_path / "home")) > 5 and set(modes(tmp_path / "home").values()) == {0}


def test_a_folder_that_was_there_is_closed_only_where_nothing_else_was_in_it(
    tmp_path: Path, as_shells_have_it: None
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "shared" / "photos").mkdir(parents=True)
    for name, open_to_others in (("empty", False), ("shared", True)):
        prepare_home(tmp_path / name)
        assert bool((tmp_path / name).stat().st_mode & 0o077) == open_to_others
    os.umask(0o777)
    keep_private()
    assert os.umask(0) == 0o777  # never wider than it was


def test_a_relative_home_is_the_same_for_what_works_elsewhere(
    tmp_path: Path, as_shells_have_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEXTPLAY_HOME", "here/../home")
    set_defaults()
    assert os.environ["DAGSTER_HOME"] == str(tmp_path / "home" / "dagster") == os.environ["DAGSTER_FILES"]


def test_a_home_of_somebody_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare_home(tmp_path / "home")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(environment.os, "geteuid", lambda: 54_321)
    prepare_home(tmp_path / "home")
    told = capsys.readouterr().err
    assert "belongs to user" in told and "this is user 54321" in told and told.count("\n") == 1


def test_a_home_that_is_not_there_is_told(
    tmp_path: Path,
    as_shells_have_it: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path / "misspelt"))
    set_defaults()
    assert answer(["status"]) == 0
    assert f"There was no home at {tmp_path}/misspelt, so an empty one was made" in capsys.readouterr().err
    assert answer(["status"]) == 0
    assert "There was no home" not in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_records_in_a_read_only_folder_are_opened_without_a_lock(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(lock: FileLock) -> None:
        raise OSError(number, "no", lock.lock_file)

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with open_instance() as instance:
        assert instance.get_runs_count() == 0
    monkeypatch.setattr(FileLock, "acquire", refuse)
    with open_instance() as instance:
        assert isinstance(instance, dg.DagsterInstance) and instance.get_runs_count() == 0


def test_a_pointer_that_is_no_file_is_told_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)  # somebody who holds it open, and says nothing
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)
    for name in ("pipe", "device", "folder", "large"):
        with pytest.raises(BundleError, match=f"The champion's pointer .*{name} cannot be understood"):
            read_pointer(tmp_path / name)
    for name in ("pipe", "device", "folder"):
        with pytest.raises(UserStateError, match="it is no file"):
            open_snapshot(tmp_path / name)
    os.close(writer)
