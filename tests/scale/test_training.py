"""Training in two processes gives the curve of one, and outlives the loss of a process."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from models.config import TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.training.launch import read_data, train_in_processes, write_data
from models.training.steps import TrainingError
from models.training.train import train

pytestmark = pytest.mark.timeout(1800)

TOLERANCE = 2e-3  # of a loss of about 4: two processes add up in another order
SMALL = {"dropout": 0.0, "epochs": 2, "threads": 1, "width": 16, "batch_positions": 512, "negatives": 16}


@pytest.fixture(scope="module")
def split() -> Split:
    """Walks around a circle of 60 items."""
    rng = np.random.default_rng(0)

    def walk(length: int) -> list[int]:
        steps = rng.choice([1, 2, 7], size=length).cumsum() + rng.integers(60)
        return [int(step) % 60 + 1 for step in steps]

    return leave_one_out(Sequences.from_lists([walk(int(rng.integers(5, 30))) for _ in range(400)], 60))


def config(**changes: object) -> TrainConfig:
    return TrainConfig().with_changes(**SMALL | changes)


@pytest.mark.parametrize(
    ("name", "loss"), [("sasrec", "full"), ("sasrec", "sampled"), ("sasrec", "gbce"), ("gru4rec", "full")]
)
def test_two_processes_give_the_curve_of_one(tmp_path: Path, split: Split, name: str, loss: str) -> None:
    pytest.importorskip("lightning_fabric", reason="the extra training is not installed")
    one = train(name, split, config(loss=loss))
    two = train_in_processes(name, split, config(loss=loss, processes=2), folder=tmp_path)
    assert [r.positions for r in two.curve] == [r.positions for r in one.curve]
    for mine, theirs in zip(one.curve, two.curve, strict=True):
        assert theirs.loss == pytest.approx(mine.loss, abs=TOLERANCE)
        assert theirs.ndcg == pytest.approx(mine.ndcg, abs=0.02)


def test_a_batch_of_one_window_is_worked_on_by_all(tmp_path: Path, split: Split) -> None:
    pytest.importorskip("lightning_fabric", reason="the extra training is not installed")
    settings = config(batch_positions=16, epochs=1)
    one = train("sasrec", split, settings)
    two = train_in_processes("sasrec", split, settings.with_changes(processes=2), folder=tmp_path)
    assert two.curve[0].positions == one.curve[0].positions
    assert two.curve[0].loss == pytest.approx(one.curve[0].loss, abs=TOLERANCE)


def test_what_no_process_can_mend_is_told_in_its_own_sentence(tmp_path: Path, split: Split) -> None:
    pytest.importorskip("lightning_fabric", reason="the extra training is not installed")
    settings = config(processes=2, learning_rate=1e30, embedding_learning_rate=1e30, warmup_steps=0)
    with pytest.raises(TrainingError, match="the loss became"):
        train_in_processes("sasrec", split, settings, folder=tmp_path)


def workers(folder: Path) -> list[int]:
    listed = subprocess.run(
        ["ps", "-eww", "-o", "pid,args"], capture_output=True, text=True, check=True
    ).stdout
    lines = [line.strip().partition(" ") for line in listed.splitlines()[1:]]
    wanted = f"-m models.training.launch {folder}"
    return [int(pid) for pid, _, args in lines if wanted in args and "distributed.run" not in args]


def test_a_lost_process_is_started_again_and_goes_on(tmp_path: Path, split: Split) -> None:
    pytest.importorskip("lightning_fabric", reason="the extra training is not installed")
    settings = config(processes=2, epochs=20, patience=20)
    undisturbed = train_in_processes("sasrec", split, settings, folder=tmp_path / "whole")
    folder = tmp_path / "disturbed"
    killed: list[int] = []

    def kill() -> None:
        while not any((folder / "checkpoints").glob("*")):
            time.sleep(0.05)
        while not killed:
            for pid in workers(folder)[1:]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.05)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    trained = train_in_processes("sasrec", split, settings, folder=folder)
    thread.join(timeout=10)
    assert killed
    assert [r.epoch for r in trained.curve] == list(range(1, 21))
    for mine, theirs in zip(undisturbed.curve, trained.curve, strict=True):
        assert theirs.loss == pytest.approx(mine.loss, abs=1e-6), "the same ranks draw and add up the same"


def test_data_come_back_from_files_as_they_were(tmp_path: Path, split: Split) -> None:
    write_data(tmp_path, split)
    again = read_data(tmp_path, Split)
    assert again.train.fingerprint() == split.train.fingerprint()
    assert isinstance(again.train.items, np.memmap)
    assert again.validation.histories.fingerprint() == split.validation.histories.fingerprint()
    assert again.name == split.name
