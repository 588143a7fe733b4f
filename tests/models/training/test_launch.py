"""What passes between the process that starts a training and those that do it; see tests/scale for these."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from models.config import NetworkConfig, TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.training.launch import CURVE_FILE, WEIGHTS_FILE, _read, read_data, write_data
from models.training.train import train


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_whether_seen_items_are_answers_comes_along_with_what_it_adds_to_a_network(
    tmp_path: Path, exclude_seen: bool
) -> None:
    rng = np.random.default_rng(0)
    lists = [rng.integers(1, 20, 12) for _ in range(30)]
    split = leave_one_out(Sequences.from_lists(lists, 19), exclude_seen)
    write_data(tmp_path / "split", split)
    there = read_data(tmp_path / "split", Split)
    assert there.exclude_seen == there.validation.exclude_seen == exclude_seen
    config = TrainConfig(network=NetworkConfig(width=8, max_length=12), epochs=1, threads=1)
    trained = train("gru4rec", there, config)
    save_file(dict(trained.network.state_dict()), tmp_path / WEIGHTS_FILE)
    (tmp_path / CURVE_FILE).write_text(json.dumps({"curve": [], "best_epoch": 0}))
    assert (_read(tmp_path, "gru4rec", split, config).network.repeats is None) == exclude_seen


def test_nothing_is_left_of_other_data_that_were_there_before(tmp_path: Path) -> None:
    split = leave_one_out(Sequences.from_lists([[1, 2, 3, 4]] * 3, 4))
    write_data(tmp_path, replace(split, content=np.ones((5, 2), np.float32), ages=np.ones(6, np.float32)))
    write_data(tmp_path, split)
    there = read_data(tmp_path, Split)
    assert there.content is None and there.ages is None
