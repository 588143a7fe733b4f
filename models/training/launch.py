"""Trains one network in several processes that torchrun starts; a lost one is started again and goes on.

    python -m torch.distributed.run --nproc-per-node 2 … -m models.training.launch FOLDER

`FOLDER` holds the split as arrays that every rank maps into memory, and the config; rank 0 leaves the weights
and the curve there. When a process is lost torchrun starts all of them anew, and training goes on from the
last whole epoch's checkpoint. On several machines the same command runs on each, with torchrun's own
variables (PET_NNODES, PET_RDZV_BACKEND, PET_RDZV_ENDPOINT) and the folder on a disk that they share.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
from safetensors.torch import load_file, save_file

from models.config import ConfigError, TrainConfig
from models.data import Split
from models.training.device import find_device
from models.training.ranks import FabricRanks
from models.training.reports import EpochReport
from models.training.steps import TrainingError, build_network
from models.training.train import Trained, train

JOB_FILE, CURVE_FILE, WEIGHTS_FILE = "job.json", "curve.json", "weights.safetensors"
ERROR_FILE = "error.txt"  # why no process can go on
RESTARTS = 3  # of all processes, before the loss of one is final

# Else processes that are started again may read the addresses of the lost ones, and wait for them for half an
# hour (pytorch/pytorch#135712).
STORE_OF_ITS_OWN = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}

Data = TypeVar("Data")


def train_in_processes(
    name: str,
    split: Split,
    config: TrainConfig,
    *,
    folder: Path,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> Trained:
    """`models.training.train.train` in `config.processes` processes of this machine; see there.

    `folder` keeps data and checkpoints: a call with the same arguments goes on from what it holds. Raises
    TrainingError.
    """
    write_data(folder / "split", split)
    checkpoints = folder / "checkpoints"
    job = {"name": name, "config": config.to_dict(), "checkpoints": str(checkpoints)}
    (folder / JOB_FILE).write_text(json.dumps(job))
    for outcome in (CURVE_FILE, ERROR_FILE):
        (folder / outcome).unlink(missing_ok=True)
    alone = [] if "PET_RDZV_ENDPOINT" in os.environ else ["--standalone"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(config.processes)]
    command += ["--max-restarts", str(RESTARTS), *alone, "-m", "models.training.launch", str(folder)]
    done = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, check=False, env=os.environ | STORE_OF_ITS_OWN
    )
    if (folder / ERROR_FILE).exists():
        raise TrainingError((folder / ERROR_FILE).read_text())
    if done.returncode != 0:
        raise TrainingError(
            f"Training of {name} in {config.processes} processes failed; the next run goes on from its last "
            f"epoch. {done.stderr.strip()[-2000:]}"
        )
    trained = _read(folder, name, split, config)
    if on_epoch:
        for report in trained.curve:
            on_epoch(report)
    return trained


def _read(folder: Path, name: str, split: Split, config: TrainConfig) -> Trained:
    network = build_network(name, split, config)
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    network.eval()
    made = json.loads((folder / CURVE_FILE).read_text())
    return Trained(name, network, config, [EpochReport(**r) for r in made["curve"]], made["best_epoch"])


def work(folder: Path) -> None:
    """What each process does."""
    job = json.loads((folder / JOB_FILE).read_text())
    split, config = read_data(folder / "split", Split), TrainConfig.from_dict(job["config"])
    try:
        ranks = FabricRanks(find_device(config.device))
        trained = train(job["name"], split, config, checkpoint_folder=Path(job["checkpoints"]), ranks=ranks)
    except (ConfigError, TrainingError) as error:  # nothing that another start would mend
        (folder / ERROR_FILE).write_text(str(error))
        return
    if ranks.rank == 0:
        weights = {name: value.contiguous() for name, value in trained.network.state_dict().items()}
        save_file(weights, folder / WEIGHTS_FILE)
        made = {"curve": [asdict(report) for report in trained.curve], "best_epoch": trained.best_epoch}
        (folder / CURVE_FILE).write_text(json.dumps(made))
    ranks.wait()


def write_data(folder: Path, data: Any) -> None:
    """A dataclass of arrays, plain values and such dataclasses, an array a file."""
    folder.mkdir(parents=True, exist_ok=True)
    plain = {}
    for field in fields(data):
        value = getattr(data, field.name)
        if is_dataclass(value):
            write_data(folder / field.name, value)
        elif isinstance(value, np.ndarray):
            np.save(folder / f"{field.name}.npy", value)
        else:
            plain[field.name] = value
            (folder / f"{field.name}.npy").unlink(missing_ok=True)  # of other data that were here before
    (folder / "plain.json").write_text(json.dumps(plain))


def read_data(folder: Path, kind: type[Data]) -> Data:
    """The inverse of `write_data`; arrays are mapped, so that a rank reads of them what it works on."""
    values = json.loads((folder / "plain.json").read_text())
    hints = get_type_hints(kind)
    for path in folder.iterdir():
        if path.is_dir():
            values[path.name] = read_data(path, hints[path.name])
        elif path.suffix == ".npy":
            values[path.stem] = np.load(path, mmap_mode="r", allow_pickle=False)
    return kind(**values)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
