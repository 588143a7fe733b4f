"""Retention on a real home: rollback, serving, readers and reproduction live on, also after a kill."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow.parquet as pq
import pytest

from assets.release.promotion import rollback
from assets.release.retention import plan_removals, remove
from assets.resources import Home, Retention
from assets.sequences.loading import TABLES
from assets.state.apart import home_apart, homes_apart, write_note
from assets.training.bundling import data_fingerprint, input_tables
from models.bundle.bundle import bundle_hash, read_manifest
from models.opening import open_scorer
from pipelines.definitions import define
from pipelines.operator.state import pruned
from pipelines.resources import Settings
from serving.state.pointer import Pointer, read_pointer
from tests.support.runs import FinishedRun

KEEP = Retention(candidates=1, champions=None)
NIGHTS = 5


def night(home: Home, number: int, promote: bool) -> Path:
    """Another night: its own tables and a bundle made from them, registered, and perhaps crowned."""
    lake, store, tracking = home.lake(), home.bundles(), home.tracking()
    made_from = f"{number:x}" * 64
    tables = list(TABLES)
    sources = {table: lake.current(table).path for table in tables}

    def write_tables(paths: dict[str, Path]) -> None:
        for table, path in paths.items():
            rows = pq.read_table(sources[table])
            pq.write_table(rows.replace_schema_metadata({"night": str(number)}), path)  # of their own content

    lake.publish_many(made_from, tables, write_tables)

    def write_bundle(folder: Path) -> None:
        shutil.copytree(store.current("sasrec"), folder, dirs_exist_ok=True)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["data_fingerprint"] = data_fingerprint(lake)
        (folder / "manifest.json").write_text(json.dumps(manifest))

    folder = store.publish("sasrec", made_from, write_bundle)
    with tracking.run("sasrec", made_from) as run:
        run.model(folder)
    version = tracking.register(run.run_id, bundle_hash(folder), "sasrec")
    if promote:
        tracking.set_champion(version)
        pointer = Pointer(str(folder), version, bundle_hash(folder), time.time(), "better", "nextplay:none")
        home.champions().crown(pointer, lake.published())
    return folder


@pytest.fixture(scope="module")
def five_nights(tiny_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with five nights after the first; the second and the fourth made a champion."""
    folder = shutil.copytree(tiny_run.home.path, tmp_path_factory.mktemp("nights") / "home")
    for number in range(1, NIGHTS + 1):
        night(Home(path=str(folder)), number, promote=number in (2, 4))
    return folder


@pytest.fixture
def nights(five_nights: Path, tmp_path: Path) -> Home:
    """A copy of that home."""
    return Home(path=shutil.copytree(five_nights, str(tmp_path / "home")))


def state(home: Home) -> dict[str, object]:
    lake = home.lake()
    return {
        "bundles": [folder.name for folder in home.bundles().folders()],
        "tables": {table: [v.fingerprint for v in lake.versions(table)] for table in lake.tables()},
        "versions": [v.version for v in home.tracking().versions()],
        "runs": home.tracking().runs(),
        "artifacts": sorted(p.name for p in home.folder("mlflow", "artifacts").iterdir() if any(p.iterdir())),
        "checkpoints": sorted(p.name for p in home.folder("checkpoints").iterdir()),
    }


def test_champions_with_their_inputs_and_the_last_candidates_stay(nights: Home) -> None:
    held = nights.folder("bundles") / f"sasrec-{'1' * 16}"
    scorer = open_scorer(held)  # an endpoint that has it open
    history = [np.array([1, 2, 3])]
    before = scorer.score(history)
    table = nights.lake().versions("sequences")[1].path.open("rb")
    plan = plan_removals(nights, KEEP)
    assert held.name in plan.bundles
    remove(nights, plan)
    assert not held.exists() and len(plan_removals(nights, KEEP)) == 0
    np.testing.assert_array_equal(scorer.score(history), before)
    assert table.read(4) == b"PAR1"
    table.close()
    assert len([f for f in nights.bundles().folders() if f.name.startswith("sasrec-")]) == 3
    for reign in nights.champions().history():
        folder = nights.champions().folder(reign.pointer)
        assert bundle_hash(folder) == reign.pointer.bundle_hash
        assert input_tables(nights.lake(), read_manifest(folder)).items() <= reign.tables.items()
        for name, made_from in reign.tables.items():
            assert made_from in [version.fingerprint for version in nights.lake().versions(name)]
    first = nights.champions().history()[0].pointer
    rollback(nights)
    assert rollback(nights).bundle_hash == first.bundle_hash
    assert nights.tracking().champion() == read_pointer(nights.pointer_file).version == first.version


@dg.asset
def made() -> None:
    """Something that a run is about."""


def test_prune_shows_first_and_removes_when_told(nights: Home) -> None:
    settings, before = Settings(home=Path(nights.path), keep_candidates=1), state(nights)
    for night in range(9):
        (nights.folder("reproduced", str(night)) / "manifest.json").write_text("{}")
        (nights.folder("tuning", "ranks") / f"sasrec-{night:016x}-0.npy").write_bytes(b"ranks")
        write_note(home_apart(nights.folder(), f"2026-01-0{night + 1}"), {}, forgotten=0, finished=True)
    with dg.DagsterInstance.from_config(str(nights.folder("dagster"))) as instance:
        ran = dg.materialize([made], instance=instance).run_id
        instance.delete_run(ran)  # as in Dagster's UI, which leaves the files
        for left in nights.folder("dagster").rglob(f"{ran}*"):
            os.utime(left, (0, 0))
        told = pruned(settings, nights, instance, do=False)
        assert told.startswith("Would be removed (make prune YES=1 does it):") and "bundles" in told
        assert "records 1 " in " ".join(told.split()) and any(nights.folder("dagster").rglob(f"{ran}*"))
        assert state(nights) == before
        assert pruned(settings, nights, instance, do=True).startswith("Removed:")
        assert pruned(settings, nights, instance, do=False) == "There is nothing to remove."
    assert not any(nights.folder("dagster").rglob(f"{ran}*"))
    left = [[*nights.folder(*where).iterdir()] for where in (["reproduced"], ["tuning", "ranks"])]
    assert [len(some) for some in left] == [2, 1] and homes_apart(nights.folder()) == ["2026-01-09"]
    after = state(nights)
    assert len(after["runs"]) < len(before["runs"]) and len(after["artifacts"]) < len(before["artifacts"])


def test_the_runs_of_a_search_for_settings_stay(nights: Home) -> None:
    with nights.tracking().run("tune sasrec", "search", search="study") as parent:
        trials = [parent.run_id]
        for number in range(3):
            with nights.tracking().run(f"trial {number}", f"trial {number}", search="study") as trial:
                trials.append(trial.run_id)
        with nights.tracking().run("sasrec", "failed once"), nights.tracking().run("sasrec", "again"):
            plan = plan_removals(nights, KEEP)
        assert len(plan.runs) > 1 and set(trials).isdisjoint(plan.runs)
        remove(nights, plan)
    assert all(parent.client.get_run(run).info.lifecycle_stage == "active" for run in trials)


def test_the_job_removes_nothing_that_other_machines_share(
    nights: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh machine has no bundle yet, and the registry of all machines."""
    before = state(nights)
    settings = Settings(home=tmp_path / "machine", lake=(tmp_path / "store").as_uri(), keep_candidates=1)
    monkeypatch.setenv("NEXTPLAY_MLFLOW_URI", f"sqlite:///{nights.folder('mlflow') / 'mlflow.db'}")
    with dg.DagsterInstance.ephemeral() as instance:
        done = define(settings).resolve_job_def("prune").execute_in_process(instance=instance)
    assert done.success
    monkeypatch.delenv("NEXTPLAY_MLFLOW_URI")
    assert state(nights) == before


SCRIPT = """
import itertools, os, signal, sys
from assets.resources import Home, Retention
from assets.release.retention import plan_removals, remove
from assets.sequences.loading import TABLES
home, kill_at, count = Home(path=sys.argv[1]), int(sys.argv[2]), itertools.count(1)
plan = plan_removals(home, Retention(candidates=1))
def dying(do):
    def done(*args, **kwargs):
        if next(count) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return do(*args, **kwargs)
    return done
for name in ("rename", "replace", "rmdir", "unlink"):
    setattr(os, name, dying(getattr(os, name)))
remove(home, plan)
print(next(count) - 1)
os._exit(0)
"""


def removing(home: Path, kill_at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home), str(kill_at)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
def test_a_kill_on_the_way_leaves_nothing_half_and_the_next_one_goes_on(nights: Home, tmp_path: Path) -> None:
    kept = shutil.copytree(nights.path, tmp_path / "undisturbed")
    done = removing(kept, 0)
    assert done.returncode == 0, done.stderr[-2000:]
    points = int(done.stdout)
    assert points >= 6
    for point in np.linspace(1, points, 6).astype(int):
        home = shutil.copytree(nights.path, tmp_path / f"killed-{point}")
        assert removing(home, point).returncode == -signal.SIGKILL
        for folder in Home(path=str(home)).bundles().folders():
            assert (folder / "manifest.json").exists()
        assert removing(home, 0).returncode == 0
        assert state(Home(path=str(home))) == state(Home(path=str(kept))), point
