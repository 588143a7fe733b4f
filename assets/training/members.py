"""The members of a blend or of a staged model, refitted side by side: the same bytes as in turn."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from assets.training.bundling import TrainingData, full_epochs
from assets.training.hooks import Hooks
from assets.training.side_by_side import WORTH_A_PROCESS, Apart, Job, heard
from assets.training.warm import LONG_POSITIONS, pays
from models.blend.scorer import BLEND, MEMBERS_FOLDER, member_names
from models.bundle.bundle import Manifest, read_manifest
from models.config import TrainConfig
from models.networks import NETWORKS
from models.stages import names as stages
from models.training.start import short


def members_of(judged: Manifest) -> list[str]:
    """The parts of a bundle that are bundles themselves, networks first: they take longest."""
    if judged.architecture == BLEND:
        networks, baselines = member_names(judged.config)
        return sorted(networks) + sorted(baselines)
    return stages.member_names(judged.config) if judged.architecture in stages.STAGED else []


def networks_in(twin: Path) -> Iterator[Path]:
    """The bundles of the networks that a bundle is, or holds."""
    judged = read_manifest(twin)
    if judged.architecture in NETWORKS:
        yield twin
    for name in members_of(judged):
        yield from networks_in(twin / MEMBERS_FOLDER / name)


def starts_warm(twin: Path, data: TrainingData, wanted: str) -> bool:
    """Whether the networks of a refit go on from the weights of its twin, which have learned all but the
    newest plays: where all of them may, and that saves many minutes."""
    configs = [TrainConfig.from_dict(read_manifest(network).config) for network in networks_in(twin)]
    return bool(configs) and all(pays(wanted, config, len(data.split.train.items)) for config in configs)


def worth_processes(twin: Path, names: Sequence[str], data: TrainingData, warm: bool, apart: Apart) -> bool:
    """Whether there are cores, and training enough: of two networks, or of one that takes many minutes."""
    networks = list(networks_in(twin))
    if apart.cores < 2 or len(names) < 2 or any(_config(one).processes > 1 for one in networks):
        return False
    epochs = sum(short(_config(one)).epochs if warm else full_epochs(one) for one in networks)
    enough = WORTH_A_PROCESS if len(networks) > 1 else LONG_POSITIONS
    return epochs * len(data.split.train.items) >= enough


def refit_apart(
    names: Sequence[str], folder: Path, twin: Path, data: TrainingData, hooks: Hooks, warm: bool, apart: Apart
) -> None:
    """Refit the members in processes of their own. Raises what the first that fails does; the others end."""
    told = {name: hooks.of(name) for name in names}
    threads = max((_config(network).threads for network in networks_in(twin)), default=1)
    at_once = min(len(names), max(1, apart.cores // threads))
    with TemporaryDirectory() as aside:
        jobs = [
            Job(
                name, {}, data.source, apart.lake, apart.address, data.fingerprint,
                str(folder / MEMBERS_FOLDER / name), str(told[name].checkpoints or Path(aside, name)), None,
                twin=str(twin / MEMBERS_FOLDER / name), warm=warm,
            )
            for name in names
        ]  # fmt: skip
        with closing(heard(jobs, at_once, told)) as ends:
            for _, error in ends:
                if error:
                    raise error


def _config(network: Path) -> TrainConfig:
    return TrainConfig.from_dict(read_manifest(network).config)
