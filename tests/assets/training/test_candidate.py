"""What names the bundle of a candidate: all that stands in its manifest."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from assets.resources import Training
from assets.training.bundling import TrainingData
from assets.training.candidate import Candidate
from models.baselines import Facts
from models.bundle.bundle import ItemTable
from models.data import Sequences, leave_one_out


def test_plays_that_are_split_alike_under_another_name_make_another_bundle(tmp_path: Path) -> None:
    """Else the manifest of the one tells the name of the other, and it cannot be made again."""
    ids = ["", "a", "b", "c", "d"]
    split = leave_one_out(Sequences.from_lists([[1, 2, 3, 4]] * 5, 4))
    data = TrainingData(split, ItemTable(ids, ids, np.array([0, 5, 5, 0, 0])), Facts(), "0f", "sample")
    store = SimpleNamespace(find=lambda *_: None, has=lambda *_: False)
    home: Any = SimpleNamespace(bundles=lambda: store, tracking=lambda: None, folder=lambda *_: tmp_path)
    context: Any = SimpleNamespace(log_event=None, log=SimpleNamespace(info=None))
    nothing: Any = SimpleNamespace(of=lambda *_: None)

    def made_from(name: str) -> str:
        named = replace(data, split=replace(split, name=name))
        return Candidate(context, "sasrec", named, home, Training(), nothing).made_from

    assert made_from("temporal (0.8,0.9)") == made_from("temporal (0.8,0.9)")
    assert made_from("temporal (0.8,0.9)") != made_from("temporal (0.80,0.90)")
