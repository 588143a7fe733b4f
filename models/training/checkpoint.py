"""Checkpoints of a training: tensors as safetensors, the rest as JSON, nothing pickled.

A checkpoint is published by renaming its JSON into place; the JSON names the tensor file and holds a checksum
of it and of itself. A process killed at any moment leaves the last whole checkpoint behind.
"""

import hashlib
import json
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

STATE_FILE = "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch depends on."""

    weights: dict[str, Tensor]
    best: dict[str, Tensor]  # weights of the best epoch so far
    moments: dict[str, Tensor]  # of the optimizer
    curve: list[dict[str, Any]]  # one report an epoch done
    step: int  # optimizer steps done


class CheckpointFolder:
    """The checkpoint of one training; `identity` (JSON) is what it must share with whoever resumes it."""

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder
        self._identity = json.loads(json.dumps(identity))

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; after a crash half-way the former one is still whole."""
        self._folder.mkdir(parents=True, exist_ok=True)
        groups = {"weights": checkpoint.weights, "best": checkpoint.best, "moments": checkpoint.moments}
        flat = {
            f"{group}/{name}": value for group, values in groups.items() for name, value in values.items()
        }
        content = save({name: value.contiguous() for name, value in flat.items()})
        tensors = f"epoch-{len(checkpoint.curve):05}.safetensors"
        state = {
            "identity": self._identity,
            "tensors": tensors,
            "sha256": hashlib.sha256(content).hexdigest(),
            "curve": checkpoint.curve,
            "step": checkpoint.step,
        }
        _publish(self._folder / tensors, content)
        _publish(self._folder / STATE_FILE, json.dumps({"state": state, "sha256": _hash(state)}).encode())
        for old in self._folder.glob("epoch-*.safetensors"):
            if old.name != tensors:
                old.unlink()

    def load(self) -> Checkpoint | None:
        """The checkpoint; None where there is none, or, with a warning, where it is broken or foreign."""
        if not (self._folder / STATE_FILE).exists():
            return None
        try:
            return self._read()
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            warnings.warn(f"The checkpoint in {self._folder} is left unused: {error}", stacklevel=2)
            return None

    def _read(self) -> Checkpoint:
        document = json.loads((self._folder / STATE_FILE).read_bytes())
        state = document["state"]
        if document["sha256"] != _hash(state):
            raise ValueError("its checksum is wrong.")
        if state["identity"] != self._identity:
            raise ValueError("it belongs to other data or other settings.")
        content = (self._folder / state["tensors"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != state["sha256"]:
            raise ValueError("the checksum of its tensors is wrong.")
        groups: dict[str, dict[str, Tensor]] = {"weights": {}, "best": {}, "moments": {}}
        for key, value in load(content).items():
            group, name = key.split("/", 1)
            groups[group][name] = value
        return Checkpoint(**groups, curve=state["curve"], step=state["step"])


def _hash(state: object) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _publish(path: Path, content: bytes) -> None:
    """Write aside, flush to disk, rename: a reader sees all of it or nothing."""
    aside = path.with_name(path.name + ".part")
    with aside.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(path)
