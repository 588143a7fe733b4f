"""A night of this release in a home of the last one; what comes out is served, and taken back."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from assets.evaluation.leaderboard import leaderboard_rows
from assets.resources import Home
from pipelines.operator.backups import what_is_wrong
from pipelines.operator.cli import answer
from serving.state.pointer import read_pointer
from tests.faults.runs import ROOT, environment
from tests.fixtures.last_release import SETTINGS, unpack, unpack_backup
from tests.support.servers import deployment

pytestmark = pytest.mark.slow


def nextplay(home: Path, *arguments: str) -> str:
    """What a command says; it has to end well."""
    command = [sys.executable, "-m", "pipelines.operator.cli", *arguments]
    done = subprocess.run(
        command,
        env=environment(home, **SETTINGS | {"NEXTPLAY_KEEP_CANDIDATES": "7"}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def test_a_night_compares_with_the_champion_of_before_and_keeps_its_history(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "home")
    home = Home(path=str(folder))
    before, reigns = read_pointer(home.pointer_file), home.champions().history()
    reports = {path.name for path in (folder / "reports").iterdir()}
    users = home.forgotten_users()
    said = nextplay(folder, "run")
    assert "cannot be evaluated" not in said and "is damaged" not in said
    (champion,) = [row for row in leaderboard_rows(home.lake()) if row["role"] == "champion"]
    assert champion["bundle_hash"] == before.twin_hash
    assert home.champions().history()[: len(reigns)] == reigns
    assert reports < {path.name for path in (folder / "reports").iterdir()}
    assert home.forgotten_users() == users
    with home.lake().connect("all_interactions") as connection:
        query = "SELECT count(*) FROM all_interactions WHERE user_id IN (SELECT unnest(?))"
        assert connection.execute(query, [users]).fetchone() == (0,)
    now = read_pointer(home.pointer_file)
    (tmp_path / "server").mkdir()
    served = {"NEXTPLAY_POINTER": str(home.pointer_file), "NEXTPLAY_EVENTS": str(home.events_file)}
    with deployment(tmp_path / "server", **served) as endpoint:
        assert endpoint.client.get("/model").json()["version"] == now.version
        assert httpx.post(f"{endpoint.url}/recommend", json={"user_id": "newcomer-1"}).json()["items"]
    nextplay(folder, "rollback")
    back = read_pointer(home.pointer_file)
    assert back.version == home.tracking().champion() != now.version
    assert nextplay(folder, "prune", "--yes")
    assert home.champions().folder(back).is_dir()


def test_a_backup_of_the_last_release_is_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = unpack_backup(tmp_path / "backup")
    home = Home(path=str(tmp_path / "again"))
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.setenv("DAGSTER_HOME", str(home.folder("dagster")))
    assert answer(["restore", str(backup)]) == 0
    assert list(what_is_wrong(home)) == []
    assert [reign.pointer.version for reign in home.champions().history()] == ["10", "1", "19"]
    assert home.tracking().champion() == "19"
    store = home.event_store()
    assert store is not None and {event.user_id for event in store.events()} == {
        "newcomer-1",
        "newcomer-2",
        "newcomer-3",
    }
    store.close()
