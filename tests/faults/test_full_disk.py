"""A disk that is full at any writing step: a clear sentence, nothing half visible, and recovery."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from assets.resources import Home
from models.bundle.bundle import bundle_hash
from models.opening import check_sound
from pipelines.operator.cli import answer
from tests.faults.runs import run, state
from tests.support.champions import succession
from tests.support.runs import FinishedRun

SCRIPT = Path(__file__).with_name("full_disk_run.py")
STEPS = (
    "raw_files", "clean", "core_interactions", "sequences", "baselines", "networks",
    "leaderboard", "gate", "report", "refit", "bento", "promotion", "batch_recommendations",
)  # fmt: skip


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; skips without the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes more rights")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def whole(home: Path) -> None:
    """Whatever is published can be read."""
    pointer = home / "lake" / "pointer.json"
    lake = Home(path=str(home)).lake()
    for table in json.loads(pointer.read_text()) if pointer.exists() else {}:
        version = lake.current(table)
        assert lake._whole_version(table, version.fingerprint) == version, table
    hashes = home / "bundles" / "hashes.json"
    for name, digest in json.loads(hashes.read_text()).items() if hashes.exists() else ():
        folder = home / "bundles" / name
        assert not folder.exists() or bundle_hash(folder) == digest, name


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The state after one run, and after another, which finds a champion."""
    home, states = tmp_path_factory.mktemp("undisturbed"), []
    for _ in range(2):
        assert run(home).returncode == 0
        states.append(state(home))
    return states


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", STEPS)
def test_full_at_a_step_and_free_again(step: str, disk: Path, undisturbed: list[dict[str, str]]) -> None:
    failed = run(disk, SCRIPT, [step])
    assert failed.returncode == 1, (failed.returncode, failed.stderr[-3000:])
    assert "The disk of the home is full: free some space" in failed.stderr
    assert "Traceback" not in failed.stderr, failed.stderr[-3000:]
    (disk / "ballast").unlink()
    whole(disk)
    had_champion = (disk / "champion" / "pointer.json").exists()
    again = run(disk)
    assert again.returncode == 0, again.stderr[-3000:]
    assert state(disk) == undisturbed[had_champion]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("step", ["clean", "networks", "promotion"])
def test_a_later_night_on_a_full_disk_leaves_the_champion_as_it_is(
    step: str, disk: Path, tiny_run: FinishedRun
) -> None:
    """Another seed of the sample, so that there is something to make anew."""
    shutil.copytree(tiny_run.home.path, disk, dirs_exist_ok=True)
    home = Home(path=str(disk))
    before, history = home.pointer_file.read_bytes(), home.champions().history()
    failed = run(disk, SCRIPT, [step], NEXTPLAY_SAMPLE_SEED="7")
    assert failed.returncode == 1, (failed.returncode, failed.stderr[-3000:])
    assert "The disk of the home is full: free some space" in failed.stderr
    assert "Traceback" not in failed.stderr, failed.stderr[-3000:]
    (disk / "ballast").unlink()
    whole(disk)
    assert home.pointer_file.read_bytes() == before and home.champions().history() == history
    now = home.champions().current()
    assert now is not None
    check_sound(home.champions().folder(now), now.bundle_hash)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["rollback"], ["promote", "1", "--by", "ada", "--reason", "full"]])
def test_a_command_on_a_full_disk_is_told_and_works_once_there_is_room(
    command: list[str], disk: Path, mlflow_folder: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    home = succession(disk / "home", mlflow_folder, 3)
    (disk / "dagster").mkdir()
    for name, value in {"NEXTPLAY_HOME": home.path, "DAGSTER_HOME": str(disk / "dagster")}.items():
        monkeypatch.setenv(name, value)
    before = {path: path.read_bytes() for path in home.pointer_file.parent.iterdir()}
    with suppress(OSError), (disk / "ballast").open("wb") as ballast:
        while True:
            ballast.write(bytes(1 << 16))
            ballast.flush()
    assert answer(command) == 1
    told = capfd.readouterr().err.splitlines()[-1]
    assert told.startswith("The disk of the home is full: free some space"), told
    assert {path: path.read_bytes() for path in home.pointer_file.parent.iterdir()} == before
    (disk / "ballast").unlink()
    assert answer(command) == 0
    now = home.champions().current()
    assert now is not None and now.version == ("2" if command == ["rollback"] else "1")
