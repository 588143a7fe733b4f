"""Candidates that train side by side: the same bytes as one after the other, events, failures, ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest

from assets.resources import Home, Training
from assets.training import candidate
from assets.training import networks as module
from assets.training.bundling import data_fingerprint
from assets.training.networks import network_assets, networks
from assets.training.side_by_side import DONE, EPOCH, ERROR, LOOK, Job, LostTrainingError, trained
from assets.training.warm import Starts
from models.bundle.bundle import bundle_hash, read_manifest
from models.config import TrainConfig
from models.training.start import Start, StartError
from models.training.steps import TrainingError
from pipelines.failures import final
from tests.support.homes import failure, materialize, metadata
from tests.support.runs import TINY

QUICK = {"epochs": 2, "width": 16}
BOTH = ("gru4rec", "sasrec")


@pytest.fixture
def _apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little there is to train, and on a machine of two cores."""
    monkeypatch.setattr(module, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(module, "usable_cores", lambda: 2)


def train_in(
    home: Home, *assets: str, must_succeed: bool = True, **changes: Any
) -> dg.ExecuteInProcessResult:
    chosen = network_assets(
        [spec for spec in networks.specs if spec.key.to_user_string() in (assets or BOTH)]
    )
    kept = {name: value for name, value in (QUICK | changes).items() if value is not None}
    training = Training(changes=kept, progress=False)
    return materialize(home, chosen, must_succeed=must_succeed, training=training)


def hashes(home: Home) -> dict[str, str]:
    return {name: bundle_hash(home.bundles().current(name)) for name in BOTH}


@pytest.mark.slow
def test_side_by_side_is_byte_for_byte_what_comes_one_after_the_other(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that made the home has trained one after the other, in its own process."""
    with home.lake().connect("sequences") as connection:
        (positions,) = connection.execute("SELECT count(*) FROM sequences").fetchone() or (0,)
    epochs = json.loads(TINY["training"])["epochs"]
    assert epochs * positions * len(BOTH) < module.WORTH_A_PROCESS
    here = hashes(home)
    for folder in home.bundles().folders():
        home.bundles().remove(folder)
    monkeypatch.setattr(module, "WORTH_A_PROCESS", 0)
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "write_candidate", lambda *_, **__: pytest.fail("it trained in this process"))
    for folder in (home.folder("checkpoints")).glob("*"):
        for file in folder.glob("*"):
            file.unlink()
    result = train_in(home, epochs=epochs, width=None)
    assert hashes(home) == here
    assert not list(home.folder("checkpoints").glob("*/bundle"))
    for name in BOTH:
        told = metadata(result, name)
        assert told["epochs"] == epochs and told["trained in this run"] is True
        assert told["bundle hash"] == here[name] and told["registered version"]
        config = read_manifest(home.bundles().current(name)).config
        assert (config["threads"], config["epochs"]) == (1, epochs)
        seen = [e for e in result.get_asset_observation_events() if e.asset_key == dg.AssetKey(name)]
        assert [e.asset_observation_data.asset_observation.metadata["epoch"].value for e in seen] == [
            *range(1, epochs + 1)
        ]


@pytest.mark.slow
@pytest.mark.usefixtures("_apart")
def test_one_that_cannot_be_trained_fails_alone(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    real = candidate.training_config

    def spoiled(name: str, *rest: Any) -> TrainConfig:
        config = real(name, *rest)
        return (
            config.with_changes(learning_rate=1e30, embedding_learning_rate=1e30)
            if name == "sasrec"
            else config
        )

    monkeypatch.setattr(candidate, "training_config", spoiled)
    result = train_in(home, must_succeed=False, weight_decay=0.02)
    made = {e.asset_key.to_user_string() for e in result.get_asset_materialization_events()}
    assert made == {"gru4rec"} and not result.success
    assert failure(result).startswith("Training of sasrec failed: the loss became")
    (event,) = (event for event in result.all_events if event.is_step_failure)
    assert final(event)


def test_one_alone_is_trained_and_the_other_is_left(home: Home) -> None:
    before = hashes(home)
    result = train_in(home, "sasrec", weight_decay=0.03)
    made = {e.asset_key.to_user_string() for e in result.get_asset_materialization_events()}
    after = hashes(home)
    assert (
        made == {"sasrec"} and after["gru4rec"] == before["gru4rec"] and after["sasrec"] != before["sasrec"]
    )


def test_whose_start_is_no_good_is_trained_from_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    last = home.bundles().current("sasrec")
    monkeypatch.setattr(Starts, "of", lambda *_: last)
    monkeypatch.setattr(Start, "fill", no_good)
    result = train_in(home, "sasrec", width=None, weight_decay=0.07)
    made = home.bundles().current("sasrec")
    assert made != last and read_manifest(made).started_from == ""
    assert metadata(result, "sasrec")["started from"] == "nothing"
    runs = {run.data.tags.get("nextplay.given_up"): run.info.status for run in mlflow_runs(home)}
    (told,) = [why for why in runs if why]
    assert told == "its network has other parts" and runs[told] == "FINISHED"


def no_good(*_: object) -> None:
    raise StartError("its network has other parts")


def mlflow_runs(home: Home) -> list[Any]:
    client = home.tracking()._client
    return list(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]))


def job(home: Home, folder: Path, **changes: Any) -> Job:
    config = TrainConfig().with_changes(epochs=10_000, patience=10_000, width=16, **changes)
    lake = home.lake()
    for name in ("bundle", "checkpoints"):
        (folder / name).mkdir()
    return Job(
        "sasrec", config.to_dict(), "sample", str(lake.root), None, data_fingerprint(lake),
        str(folder / "bundle"), str(folder / "checkpoints"), None,
    )  # fmt: skip


def children(of: int) -> list[int]:
    return [process.pid for process in psutil.Process(of).children()]


def wait_until_gone(pids: list[int], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while any(Path(f"/proc/{pid}/stat").exists() and not _zombie(pid) for pid in pids):
        assert time.monotonic() < until, "a training outlived the run that started it"
        time.sleep(0.05)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def first_epoch(said: Generator[tuple[str, str, Any], None, None]) -> None:
    while next(said)[1] != EPOCH:
        pass


@pytest.mark.slow
def test_who_stops_listening_ends_the_training(home: Home, tmp_path: Path) -> None:
    said = trained([job(home, tmp_path)], at_once=2)
    first_epoch(said)
    (pid,) = [pid for pid in children(os.getpid()) if "trainer" in _command(pid)]
    said.close()
    wait_until_gone([pid])


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_no_training_outlives_the_run(home: Home, tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "job.json").write_text(json.dumps(vars(job(home, tmp_path))))
    code = (
        "import json, sys\n"
        "from assets.training.side_by_side import Job, trained\n"
        "for said in trained([Job(**json.load(open(sys.argv[1])))], 1):\n"
        "    print(said[1], flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert run.stdout is not None
        assert EPOCH in (line.strip() for line in run.stdout)
        pids = children(run.pid)
        assert len(pids) == 1
        run.send_signal(how)
        run.wait(30)
    wait_until_gone(pids)


@pytest.mark.slow
def test_a_killed_training_says_so_is_worth_a_retry_and_goes_on(home: Home, tmp_path: Path) -> None:
    first = job(home, tmp_path)
    said = trained([first], at_once=1)
    first_epoch(said)
    (pid,) = [pid for pid in children(os.getpid()) if "trainer" in _command(pid)]
    os.kill(pid, signal.SIGKILL)
    *_, (name, kind, error) = said
    assert (name, kind, type(error)) == ("sasrec", ERROR, LostTrainingError)
    assert str(error) == (
        "The training of sasrec was ended by SIGKILL, perhaps because memory ran out: the next one goes on "
        "from its last whole epoch."
    )
    again = trained([first], at_once=1)
    report = next(what for _, kind, what in again if kind == EPOCH)
    again.close()
    assert report["epoch"] > 1


@pytest.mark.slow
def test_a_mistake_keeps_its_kind_and_words(home: Home, tmp_path: Path) -> None:
    bad = job(home, tmp_path, learning_rate=1e30, embedding_learning_rate=1e30)
    *_, (_, kind, error) = trained([bad], at_once=1)
    assert kind == ERROR and type(error) is TrainingError
    assert str(error).startswith("Training of sasrec failed: the loss became")


def test_the_end_of_a_training_leaves_nothing_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    lost = Job("gru4rec", {}, "sample", nowhere, None, "", nowhere, nowhere, None)

    ((_, kind, error),) = trained([lost], 1)

    assert (kind, type(error).__name__) == (ERROR, "LakeError")
    assert capfd.readouterr() == ("", "")


def test_a_bug_keeps_its_stack_trace(home: Home, tmp_path: Path) -> None:
    *_, (_, kind, error) = trained([replace(job(home, tmp_path), data="of yesterday")], at_once=1)
    assert kind == ERROR and type(error) is RuntimeError
    assert "Traceback" in str(error) and "have changed since the training began" in str(error)


@pytest.mark.slow
def test_what_is_heard_is_epochs_looks_and_the_end(home: Home, tmp_path: Path) -> None:
    one = job(home, tmp_path)
    short = replace(one, config=one.config | {"epochs": 2, "patience": 2})
    heard = [kind for _, kind, _ in trained([short], at_once=1)]
    assert heard[-1] == DONE and heard.count(EPOCH) == 2 and LOOK in heard
    assert (Path(short.folder) / "manifest.json").exists()
