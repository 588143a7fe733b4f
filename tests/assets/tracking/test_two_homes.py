"""Two homes in one MLflow: each sees, moves and removes what it has registered itself."""

import shutil
import sys
from pathlib import Path

import pytest

from assets.resources import Home
from assets.state.files import sqlite_address
from assets.state.home_id import HOME_FILE, HomeIdError, home_id
from assets.tracking import tracking as module
from assets.tracking.tracking import Tracking
from pipelines.resources import Settings, home_of


@pytest.fixture
def shared(mlflow_folder: Path) -> str:
    return sqlite_address(mlflow_folder / "mlflow.db")


def home(shared: str, folder: Path, name: str, **names: str) -> Tracking:
    return Tracking(folder, shared, (folder / "artifacts").as_uri(), home=name, **names)


def register(tracking: Tracking, bundle: Path, fingerprint: str = "made from", digest: str = "hash") -> str:
    with tracking.run("sasrec", fingerprint) as run:
        run.model(bundle)
    return tracking.register(run.run_id, digest, "sasrec")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "weights").write_text("weights")
    return tmp_path / "bundle"


def test_equal_bundles_are_a_version_of_each(shared: str, tmp_path: Path, bundle: Path) -> None:
    first, second = (home(shared, tmp_path, name) for name in ("one", "two"))
    of_first, of_second = register(first, bundle), register(second, bundle)
    assert of_first != of_second
    assert (first.version_of("hash"), second.version_of("hash")) == (of_first, of_second)
    assert first.run_of(of_first) != second.run_of(of_second)
    assert [v.version for v in first.versions()] == [of_first]
    assert register(first, bundle) == of_first


def test_what_one_removes_the_other_keeps(shared: str, tmp_path: Path, bundle: Path) -> None:
    first, second = (home(shared, tmp_path, name) for name in ("one", "two"))
    of_first, of_second = register(first, bundle), register(second, bundle)
    run = second.run_of(of_second)
    assert first.runs() == [first.run_of(of_first)] and second.runs() == [run]
    first.discard([of_first, of_second], first.runs())
    assert first.versions() == [] and first.runs() == []
    assert [v.version for v in second.versions()] == [of_second] and second.runs() == [run]
    kept = second.fetch(second.versions()[0], "model/weights", tmp_path / "bundle")
    assert kept is not None and kept.read_text() == "weights"


def test_each_has_its_champion(shared: str, tmp_path: Path, bundle: Path) -> None:
    first, second = (home(shared, tmp_path, name) for name in ("one", "two"))
    of_first, of_second = register(first, bundle), register(second, bundle)
    first.set_champion(of_first)
    assert second.champion() is None
    second.set_champion(of_second)
    assert (first.champion(), second.champion()) == (of_first, of_second)
    again = register(first, bundle, "later", "other hash")
    first.set_champion(again)
    assert (first.champion(), second.champion()) == (again, of_second)


def test_what_carries_no_home_is_seen_by_all_and_removed_by_none(
    shared: str, tmp_path: Path, bundle: Path
) -> None:
    """Versions of before there were ids: a home goes on with its own."""
    older = Tracking(tmp_path, shared, (tmp_path / "artifacts").as_uri())
    version = register(older, bundle)
    for found in older._client.search_model_versions("name = 'nextplay'"):
        older._client.delete_model_version_tag("nextplay", found.version, module.HOME_TAG)
    older.set_champion(version)
    first = home(shared, tmp_path, "one")
    assert first.version_of("hash") == version == first.champion()
    first.discard([version], [])
    assert [v.version for v in first.versions()] == [version]


def test_an_own_store_removes_all_that_is_in_it(mlflow_folder: Path, bundle: Path) -> None:
    own = Tracking(mlflow_folder, home="one")
    version = register(own, bundle)
    own.discard([version], own.runs())
    assert own.versions() == [] and own.runs() == []


def test_names_are_settings(shared: str, tmp_path: Path, bundle: Path) -> None:
    eu = home(shared, tmp_path, "one", experiment="plays-eu", model="nextplay-eu")
    us = home(shared, tmp_path, "one", experiment="plays-us", model="nextplay-us")
    assert register(eu, bundle) == register(us, bundle) == "1"
    assert eu.runs() != us.runs()
    settings = Settings(home=tmp_path, mlflow_model="nextplay-eu", mlflow_experiment="plays-eu")
    made = home_of(settings)
    assert (made.mlflow_model, made.mlflow_experiment) == ("nextplay-eu", "plays-eu")


@pytest.mark.parametrize("name", ["", "a/b", "it's", "a:b", "-x", "x" * 101, "a@b"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give letters, digits"):
        Settings(home=tmp_path, mlflow_model=name)


def test_an_id_is_made_once_and_stays(mlflow_folder: Path, tmp_path: Path) -> None:
    shutil.copy(mlflow_folder / "mlflow.db", Home(path=str(tmp_path)).folder("mlflow"))
    first = home_id(tmp_path)
    assert first and home_id(tmp_path) == first
    assert Home(path=str(tmp_path)).tracking()._home == first
    (tmp_path / "other").mkdir()
    assert home_id(tmp_path / "other") != first


def test_a_home_that_was_copied_is_another_one_and_one_that_was_moved_is_not(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    first = home_id(tmp_path / "one")
    copy = shutil.copytree(tmp_path / "one", tmp_path / "copy")
    second = home_id(copy)
    assert second != first and home_id(copy) == second and home_id(tmp_path / "one") == first
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert home_id(tmp_path / "link") == first
    moved = Path(shutil.move(tmp_path / "one", tmp_path / "moved"))
    assert home_id(moved) == first
    several = shutil.copytree(moved, tmp_path / "on another machine")
    shutil.copytree(moved, tmp_path / "one")
    assert home_id(several, alone=False) == first, "its folders on several machines are one home"


def test_what_a_copy_removes_the_home_that_it_is_of_keeps(shared: str, tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "one").mkdir()
    first = home(shared, tmp_path, home_id(tmp_path / "one"))
    version = register(first, bundle)
    second = home(shared, tmp_path, home_id(shutil.copytree(tmp_path / "one", tmp_path / "copy")))
    assert second.versions() == [] and second.runs() == []
    first.set_champion(version)
    assert second.champion() is None
    second.set_champion(version)  # what it serves is what it was copied with
    assert second.champion() == version == first.champion()
    second.discard([version], second.runs())
    assert [v.version for v in first.versions()] == [version] and len(first.runs()) == 1


@pytest.mark.parametrize("garbage", ["", "{half", "[]", "{}", '{"format": 99, "id": "a"}'])
def test_a_damaged_id_is_one_sentence(garbage: str, tmp_path: Path) -> None:
    (tmp_path / HOME_FILE).write_text(garbage)
    with pytest.raises(HomeIdError) as refused:
        home_id(tmp_path)
    assert str(refused.value).count("\n") == 0


def test_no_process_is_given_the_address_of_the_store(
    shared: str, tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow's garbage collection runs in this process: a command's arguments are there for all to see."""
    first = home(shared, tmp_path, "one")
    version, seen = register(first, bundle), list[object]()

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.system"):
            seen.append(arguments)

    sys.addaudithook(watch)
    first.discard([version], first.runs())
    assert not [arguments for arguments in seen if shared in str(arguments)]
    assert not [argument for argument in sys.argv if shared in argument]
