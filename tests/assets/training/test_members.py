"""The members of a blend refitted side by side: the same bytes, who hears of it, what fails."""

import shutil
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from assets.resources import Home
from assets.training import members
from assets.training.blending import NETWORKS, TRIED, code_of
from assets.training.bundling import (
    TrainingData,
    load_everything,
    load_training_data,
    write_baseline,
    write_candidate,
)
from assets.training.hooks import Hooks
from assets.training.members import members_of, networks_in, starts_warm, worth_processes
from assets.training.refit import RefitError, write_refit
from assets.training.side_by_side import Apart, Job
from assets.training.warm import AUTO, LONG_POSITIONS, NO, YES
from models.blend.bundles import blend_bundle
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS
from models.bundle.bundle import bundle_hash, read_manifest
from tests.assets.training.test_refit import CONFIG, data

TWO_CORES = Apart("nowhere", None, 2)
SHORT = CONFIG.with_changes(epochs=1)


def blended(folder: Path, parts: Mapping[str, Path], judged: TrainingData) -> Path:
    """A blend of bundles, each with the same weight."""
    for name, part in parts.items():
        shutil.copytree(part, folder / MEMBERS_FOLDER / name)
    config = {WEIGHTS: dict.fromkeys(parts, 1 / len(parts)), NETWORKS: {}, TRIED: []}
    blend_bundle(folder, config, judged.items, judged.origin(code_of(BLEND)), {"ndcg@10": 0.1})
    return folder


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged blend of two networks and a baseline."""
    root, judged = tmp_path_factory.mktemp("parts"), data()[0]
    parts = {name: root / name for name in ("sasrec", "markov", "gru4rec")}
    for name, part in parts.items():
        if name == "markov":
            write_baseline(part, name, judged)
        else:
            write_candidate(part, name, judged, SHORT)
    return blended(root / "blend", parts, judged)


class InTurn:
    """Stands for processes: does each job here, or fails at one."""

    def __init__(self, failing: str = "") -> None:
        self.jobs, self.failing, self.ended = list[Job](), failing, False

    def __call__(
        self, jobs: Sequence[Job], at_once: int, hooks: Mapping[str, Hooks]
    ) -> Generator[tuple[str, Exception | None], None, None]:
        self.jobs = list(jobs)
        assert at_once == 2
        try:
            for job in jobs:
                if job.architecture == self.failing:
                    yield job.architecture, RefitError("it failed")
                told = hooks[job.architecture]
                write_refit(Path(job.folder), Path(job.twin), data()[1], told, warm=job.warm)
                yield job.architecture, None
        finally:
            self.ended = True


@pytest.fixture
def in_turn(monkeypatch: pytest.MonkeyPatch) -> InTurn:
    """However little there is to train."""
    found = InTurn()
    monkeypatch.setattr(members, "heard", found)
    monkeypatch.setattr(members, "WORTH_A_PROCESS", 0)
    return found


@pytest.mark.parametrize("warm", [False, True])
def test_a_job_for_each_member_gives_the_same_bytes(
    twin: Path, in_turn: InTurn, warm: bool, tmp_path: Path
) -> None:
    epochs: list[int] = []
    hooks = Hooks(tmp_path / "work", lambda report: epochs.append(report.epoch))
    write_refit(tmp_path / "apart", twin, data()[1], hooks, warm=warm, apart=TWO_CORES)
    write_refit(tmp_path / "alone", twin, data()[1], warm=warm)
    assert [job.architecture for job in in_turn.jobs] == ["gru4rec", "sasrec", "markov"]  # the longest first
    assert bundle_hash(tmp_path / "apart") == bundle_hash(tmp_path / "alone")
    assert epochs == [1, 1] and {path.name for path in (tmp_path / "work").iterdir()} == {"gru4rec", "sasrec"}
    made = read_manifest(tmp_path / "apart")
    assert made.started_from == (bundle_hash(twin) if warm else "")
    part = read_manifest(tmp_path / "apart" / MEMBERS_FOLDER / "sasrec")
    assert bool(part.started_from) == warm
    assert not read_manifest(tmp_path / "apart" / MEMBERS_FOLDER / "markov").started_from


def test_one_that_fails_ends_the_others(twin: Path, in_turn: InTurn, tmp_path: Path) -> None:
    in_turn.failing = "sasrec"
    with pytest.raises(RefitError, match="it failed"):
        write_refit(tmp_path / "apart", twin, data()[1], apart=TWO_CORES)
    assert in_turn.ended


def test_what_is_worth_processes(twin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, known = members_of(read_manifest(twin)), data()[1]
    assert names == ["gru4rec", "sasrec", "markov"]
    assert [path.name for path in networks_in(twin)] == ["gru4rec", "sasrec"]
    assert not worth_processes(twin, names, known, False, TWO_CORES)  # it is done before they have begun
    monkeypatch.setattr(members, "WORTH_A_PROCESS", 0)
    assert worth_processes(twin, names, known, False, TWO_CORES)
    assert not worth_processes(twin, names, known, False, Apart("nowhere", None, 1))
    network = twin / MEMBERS_FOLDER / "sasrec"
    assert members_of(read_manifest(network)) == [] and list(networks_in(network)) == [network]
    assert not worth_processes(network, [], known, False, TWO_CORES)


def test_a_refit_starts_warm_where_all_its_networks_may(twin: Path) -> None:
    known = data()[1]
    assert [starts_warm(twin, known, wanted) for wanted in (YES, AUTO, NO)] == [True, False, False]
    assert not starts_warm(twin / MEMBERS_FOLDER / "markov", known, YES)
    assert SHORT.epochs * len(known.split.train.items) < LONG_POSITIONS


@pytest.mark.slow
def test_real_processes_give_the_same_bytes(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "WORTH_A_PROCESS", 0)
    lake, store = home.lake(), home.bundles()
    parts = {name: store.current(name) for name in ("sasrec", "gru4rec", "markov")}
    twin = blended(tmp_path / "twin", parts, load_training_data(lake, "sample"))
    known, told = load_everything(lake, "sample"), list[int]()
    apart = Apart(str(lake.root), None, 2)
    write_refit(tmp_path / "apart", twin, known, Hooks(on_epoch=lambda r: told.append(r.epoch)), apart=apart)
    write_refit(tmp_path / "alone", twin, known)
    assert bundle_hash(tmp_path / "apart") == bundle_hash(tmp_path / "alone") and 1 in told
