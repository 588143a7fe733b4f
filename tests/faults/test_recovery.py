"""Damage that a night finds: what it says, what it repairs by itself, and what it leaves alone."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import Home
from assets.tracking.tracking import TrackingError
from models.bundle.bundle import bundle_hash
from serving.state.pointer import read_pointer
from tests.faults.runs import KILLABLE, environment, run, state

pytestmark = pytest.mark.slow
WITH_ANOTHER_CLOCK = """
import sys, time
shift, real = float(sys.argv[1]), time.time
time.time = lambda: real() + shift
from pipelines.operator.run import run_everything
import os; os._exit(run_everything())
"""


def flip(path: Path, at: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 1
    path.write_bytes(content)


def test_a_damaged_pointer_is_replaced_by_the_next_run(home: Home) -> None:
    before = read_pointer(home.pointer_file)
    home.pointer_file.write_bytes(b"\0" * 64)
    done = run(Path(home.path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "cannot be understood" in done.stderr
    assert read_pointer(home.pointer_file).bundle_hash == before.bundle_hash


def test_a_damaged_bundle_is_made_again(home: Home) -> None:
    pointer = read_pointer(home.pointer_file)
    folder = pointer.folder(home.pointer_file)
    flip(min(folder.rglob("weights.safetensors")))  # of a blend, those of its first member
    assert bundle_hash(folder) != pointer.bundle_hash
    done = run(Path(home.path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"The bundle {folder} is damaged: it is made again" in done.stderr
    assert bundle_hash(folder) == pointer.bundle_hash
    assert read_pointer(home.pointer_file).bundle_hash == pointer.bundle_hash


def test_a_damaged_store_of_mlflow_is_one_sentence_and_the_champion_stays(home: Home) -> None:
    before = home.pointer_file.read_bytes()
    database = home.folder("mlflow") / "mlflow.db"
    database.write_bytes(b"no database" * 1000)
    with pytest.raises(TrackingError, match="restore it from a backup"):
        home.tracking()
    done = run(Path(home.path))
    assert done.returncode == 1
    assert "restore it from a backup" in done.stderr and "Traceback" not in done.stderr
    assert home.pointer_file.read_bytes() == before


def test_a_damaged_list_of_bundles_is_one_sentence(home: Home) -> None:
    (home.folder("bundles") / "current.json").write_text("{half")
    done = run(Path(home.path))
    assert done.returncode == 1 and "current.json is damaged: delete it and run again" in done.stderr
    (home.folder("bundles") / "current.json").unlink()
    assert run(Path(home.path)).returncode == 0


def test_a_bundle_without_a_manifest_is_made_again(home: Home) -> None:
    folder = read_pointer(home.pointer_file).folder(home.pointer_file)
    before = state(Path(home.path))
    (folder / "manifest.json").unlink()
    done = run(Path(home.path))
    assert done.returncode == 0, done.stderr[-3000:]
    assert state(Path(home.path))[folder.name.rpartition("-")[0]] == before[folder.name.rpartition("-")[0]]


@pytest.mark.parametrize("days", [-40, 400])
def test_a_clock_that_was_moved_does_no_harm(home: Home, days: float) -> None:
    before = read_pointer(home.pointer_file)
    done = subprocess.run(
        [sys.executable, "-c", WITH_ANOTHER_CLOCK, str(days * 86_400)],
        env=environment(Path(home.path)), capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_pointer(home.pointer_file).bundle_hash == before.bundle_hash


def test_two_runs_at_once_both_end_well(home: Home) -> None:
    command = [sys.executable, str(KILLABLE), "0"]
    both = [
        subprocess.Popen(
            command, env=environment(Path(home.path)), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=280)[1].decode() for process in both]
    for process, text in zip(both, told, strict=True):
        assert process.returncode == 0, text
    assert any("Another run works in" in text for text in told)
    assert home.tracking().champion() == read_pointer(home.pointer_file).version


def test_a_source_that_shrinks_by_half_is_blocked_with_the_reason(home: Home, tmp_path: Path) -> None:
    """The libraries of the sample, the first half of them, under the name of the same source."""
    raw = next(Path(home.path).glob("raw/sample-*/libraries.json.gz"))
    lines = gzip.decompress(raw.read_bytes()).splitlines(keepends=True)
    half = tmp_path / "half.json.gz"
    half.write_bytes(gzip.compress(b"".join(lines[: len(lines) // 2])))
    from assets.clean.clean import clean
    from assets.clean.shrinking import source_has_not_shrunk
    from assets.ingest.raw_files import raw_files
    from assets.resources import Cleaning, Source

    source = Source(name="steam", libraries=str(half), games=str(raw.with_name("games.json.gz")))
    pointer = read_pointer(home.pointer_file)
    manifest = pointer.folder(home.pointer_file) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"source": "steam"}))
    resources = {"home": home, "source": source, "cleaning": Cleaning()}
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [raw_files, clean, source_has_not_shrunk],
            instance=instance, resources=resources, raise_on_error=False,
        )  # fmt: skip
    assert not done.success
    (evaluation,) = [
        event.asset_check_evaluation_data
        for event in done.all_events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    assert not evaluation.passed and evaluation.blocking
    assert "The source has lost 49% of its users" in evaluation.description
    assert "NEXTPLAY_MAX_SHRINK=0.3 allows" in evaluation.description
    resources["cleaning"] = Cleaning(max_shrink=1.0)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [raw_files, clean, source_has_not_shrunk], instance=instance, resources=resources
        )
    assert all(e.passed for e in done.get_asset_check_evaluations())


def test_the_champion_of_the_future_is_told(home: Home) -> None:
    """A clock that was moved back makes a champion that is younger than now."""
    from pipelines.operator.status import read_status
    from pipelines.operator.status_page import rendered
    from pipelines.resources import Settings

    pointer = read_pointer(home.pointer_file)
    home.pointer_file.write_text(replace(pointer, promoted_at=pointer.promoted_at + 1e6).to_json())
    page = rendered(read_status(Settings(home=Path(home.path)), home), colour=False)
    assert "in the future: the clock was moved back" in page
