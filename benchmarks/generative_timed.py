"""A network that knows when items were played: it can be judged, and cannot be served."""

from pathlib import Path

from safetensors.torch import load_file, save_file

from assets.training.bundling import TrainingData, candidate_code, train_network
from models.bundle.bundle import WEIGHTS_FILE, read_manifest
from models.config import TrainConfig
from models.training.steps import build_network
from models.training.train import NetworkScorer
from models.writing import write_model


def write_timed(folder: Path, name: str, data: TrainingData, config: TrainConfig) -> None:
    """Train it, and write all of a bundle but the export."""
    trained = train_network(name, data, config)
    network = trained.network.eval()
    write_model(
        folder,
        NetworkScorer(network),
        data.items,
        data.origin(candidate_code()),
        architecture=name,
        max_length=config.network.max_length,
        config=config.to_dict(),
        metrics=trained.metrics,
    )
    save_file(network.state_dict(), folder / WEIGHTS_FILE)


def open_timed(folder: Path, data: TrainingData) -> NetworkScorer:
    """The network that `write_timed` has left; it is asked at the moments of the plays."""
    manifest = read_manifest(folder)
    network = build_network(manifest.architecture, data.split, TrainConfig.from_dict(manifest.config))
    network.load_state_dict(load_file(folder / WEIGHTS_FILE))
    return NetworkScorer(network.eval())
