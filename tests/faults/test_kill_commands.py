"""Commands of the operator, killed at their writes: asked for again they end right, and nothing is half."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from assets.resources import Home
from assets.state.backup import back_up, verified
from assets.state.files import sqlite_address
from assets.state.home_id import home_id
from assets.state.lake import file_hash
from models.opening import check_sound
from pipelines.simulation.records import DAYS_FILE
from serving.state.event_stores import open_event_store
from serving.state.events import Play
from tests.faults.runs import ROOT, environment
from tests.support.champions import succession
from tests.support.runs import FinishedRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
SCRIPT = Path(__file__).with_name("killable_command.py")
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Killed:
    """The folder of each try, by its point; 0 was not disturbed."""

    folders: dict[int, Path]
    writes: list[str]


@pytest.fixture
def template(tmp_path: Path, mlflow_folder: Path) -> Path:
    """A home with four champions, and the events of two users."""
    home = succession(tmp_path / "template" / "home", mlflow_folder, 4)
    home_id(home.folder())
    store = open_event_store(home.events_file)
    store.add([[Play(f"{user}-{n}", user, str(n)) for n in range(3)] for user in ("ada", "bob")])
    store.close()
    home.folder("dagster")
    return tmp_path / "template"


def killed(template: Path, most: int, *command: str, **settings: str) -> Killed:
    """Each try was killed at its point, and ended well when it was made again."""
    scratch = template.parent / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(template), str(scratch), str(most), *command],
        env=environment(template / "home", **settings), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["undisturbed"] == 0, (scratch / "0" / "said-0").read_text()[-3000:]
    for point, what, first, again in found["tries"]:
        said = (scratch / str(point) / "said-0").read_text()
        assert (first, again) == (KILLED, 0), (point, what, said[-3000:])
        assert "Traceback" not in said, (point, what, said[-3000:])
    assert found["tries"], found["writes"]
    folders = {0: scratch / "0"} | {point: scratch / str(point) for point, *_ in found["tries"]}
    return Killed(folders, found["writes"])


def home_in(folder: Path) -> Home:
    return Home(path=str(folder / "home"))


def alike(tries: Killed, look: Callable[[Path], Any]) -> Any:
    """What is there is the same after every try; returns it."""
    expected = look(tries.folders[0])
    for point, folder in tries.folders.items():
        assert look(folder) == expected, (point, tries.writes[point - 1])
    return expected


def champions(folder: Path) -> Any:
    """Who serves, who served, the alias; what serves is sound."""
    home = home_in(folder)
    now = home.champions().current()
    assert now is not None
    check_sound(home.champions().folder(now), now.bundle_hash)
    assert home.tracking().champion() == now.version
    assert not (home.pointer_file.with_name("change.json")).exists()
    history = [reign.pointer.version for reign in home.champions().history()]
    return now.version, [pointer.version for pointer in home.champions().past()], history


def test_forget(template: Path) -> None:
    def events(folder: Path) -> Any:
        store = home_in(folder).event_store()
        assert store is not None
        try:
            return store.forgotten_users(), sorted(event.event_id for event in store.events())
        finally:
            store.close()

    tries = killed(template, 10, "forget", "ada")
    assert alike(tries, events) == (["ada"], ["bob-0", "bob-1", "bob-2"])
    for folder in tries.folders.values():
        files = [path for path in (folder / "home" / "events").iterdir() if path.is_file()]
        assert sum(path.read_bytes().count(b"ada-") for path in files) == 0


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            ("promote", "1", "--by", "ada", "--reason", "kills"),
            ("1", ["2", "3", "4"], ["1", "2", "3", "4", "1"]),
        ),
        (("rollback",), ("3", ["1", "2"], ["1", "2", "3", "4", "3"])),
    ],
    ids=["promote", "rollback"],
)
def test_a_change_of_champion(command: tuple[str, ...], expected: Any, template: Path) -> None:
    assert alike(killed(template, 14, *command), champions) == expected


def test_prune(tmp_path: Path, mlflow_folder: Path) -> None:
    template = tmp_path / "seven"
    succession(template / "home", mlflow_folder, 7)

    def left(folder: Path) -> Any:
        home = home_in(folder)
        bundles = sorted(path.name for path in (folder / "home" / "bundles").iterdir() if path.is_dir())
        return champions(folder), bundles, [v.version for v in home.tracking().versions()]

    settings = {"NEXTPLAY_KEEP_CHAMPIONS": "3", "NEXTPLAY_KEEP_CANDIDATES": "1"}
    _, bundles, versions = alike(killed(template, 10, "prune", "--yes", **settings), left)
    assert len(bundles) == len(versions) < 7 and versions[-3:] == ["5", "6", "7"]


def test_restore(template: Path) -> None:
    home = template / "home"
    back_up(home, template / "backup")
    shutil.rmtree(home)
    home.mkdir()

    def restored(folder: Path) -> Any:
        assert not list(folder.glob(".*"))
        contents = verified(folder / "backup")["contents"]
        files = {path: file_hash(folder / "home" / path) for path in contents if not path.endswith(".db")}
        assert files == {path: contents[path]["sha256"] for path in files}
        assert not (folder / "home" / ".restoring").exists()
        return champions(folder)

    assert alike(killed(template, 14, "restore", "{}/backup"), restored)[0] == "4"


def test_a_backup_by_itself(template: Path) -> None:
    (template / "backups").mkdir()

    def made(folder: Path) -> Any:
        """All that are there are whole; what was left on the way is gone."""
        whole = [path for path in (folder / "backups").iterdir() if not path.name.startswith(".")]
        assert all(verified(path) for path in whole) and whole
        return [path.name for path in (folder / "backups").glob(".*.unfinished")]

    tries = killed(template, 10, "backup", NEXTPLAY_BACKUPS="{}/backups", NEXTPLAY_KEEP_BACKUPS="2")
    assert alike(tries, made) == []


def test_erase(template: Path) -> None:
    assert alike(killed(template, 10, "erase"), champions)[0] == "4"


def test_tune(tiny_run: FinishedRun, tmp_path: Path) -> None:
    """The defaults are tried again where the kill took their trial, and come to what they come to alone."""
    optuna = pytest.importorskip("optuna")
    shutil.copytree(tiny_run.home.path, tmp_path / "template" / "home")

    def found(folder: Path) -> Any:
        address = sqlite_address(folder / "home" / "tuning" / "studies.db")
        trials = optuna.load_study(study_name=None, storage=address).trials
        assert {trial.state.name for trial in trials} <= {"COMPLETE", "FAIL"}
        said = (folder / "said-0").read_text().splitlines()[-1]
        return re.findall(r"(0\.\d{4}) with the defaults", said), trials[-1].value

    settings = {"NEXTPLAY_TRAINING": '{"epochs": 1}'}
    command = ("tune", "--network", "gru4rec", "--minutes", "0")
    (shown,), _ = alike(killed(tmp_path / "template", 5, *command, **settings), found)
    assert float(shown) > 0


def test_simulate(tmp_path: Path) -> None:
    """It begins anew, and comes to the same days."""
    (tmp_path / "template" / "home" / "dagster").mkdir(parents=True)

    def days(folder: Path) -> str:
        return (folder / "home" / "simulation" / "records" / DAYS_FILE).read_text()

    assert alike(killed(tmp_path / "template", 1, "simulate", "--days", "1"), days).count("\n") > 3
