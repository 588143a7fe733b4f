"""A refit has learned from everything, has its twin's settings, and comes out the same each time."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assets.training.bundling import TrainingData, best_epoch, write_baseline, write_candidate
from assets.training.hooks import Hooks
from assets.training.refit import RefitError, newest_day, write_refit
from assets.training.refit_trial import MIN_OVERLAP, try_refit
from models.baselines import BASELINES, Facts
from models.bundle.attributes import DATE, TEXT, Attribute
from models.bundle.bundle import (
    EVERYTHING,
    ITEM_BIAS,
    ITEM_EMBEDDINGS,
    MANIFEST_FILE,
    TRAINING_PART,
    WEIGHTS_FILE,
    BundleError,
    ItemTable,
    Manifest,
    bundle_hash,
    read_items,
    read_manifest,
)
from models.config import NetworkConfig, TrainConfig
from models.data import Sequences, everything, leave_one_out
from models.opening import check_golden
from models.training.train import train

N_ITEMS, DAY = 40, 86_400
CONFIG = TrainConfig(
    network=NetworkConfig(width=16, layers=1, heads=2, dropout=0.1, max_length=12),
    epochs=6, patience=1, batch_positions=128, learning_rate=1e-2, threads=1,
)  # fmt: skip


def sequences() -> Sequences:
    """Each item is mostly followed by the next one."""
    rng = np.random.default_rng(0)
    steps = rng.choice([1, 2, 5], p=[0.8, 0.1, 0.1], size=(300, 12))
    rows = (rng.integers(0, N_ITEMS, size=(300, 1)) + np.cumsum(steps, axis=1)) % N_ITEMS + 1
    return Sequences.from_lists([row[: rng.integers(5, 13)] for row in rows], N_ITEMS)


def data(exclude_seen: bool = True) -> tuple[TrainingData, TrainingData]:
    """What is judged was made from, and everything."""
    known, ids = sequences(), ["", *(str(i) for i in range(1, N_ITEMS + 1))]
    split, times = leave_one_out(known, exclude_seen), np.arange(len(known.items)) * DAY + 1_000_000_000
    kinds = Attribute(TEXT, [None, *([f"kind {i % 5}"] for i in range(N_ITEMS))])
    dates = Attribute(DATE, [None, *["2001-09-09"] * N_ITEMS])
    items = ItemTable(ids, ids, split.train.counts(), {"kind": kinds, "release_date": dates})
    counted = replace(items, counts=known.counts())
    facts = Facts(ids, times[: len(split.train.items)], exclude_seen, items, 1)
    return (
        TrainingData(split, items, facts, "data", "toy"),
        TrainingData(
            everything(known, exclude_seen), counted, Facts(ids, times, exclude_seen, items, 1), "data", "toy"
        ),
    )


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A judged network and its refit."""
    twin, refit = (tmp_path_factory.mktemp(name) for name in ("twin", "refit"))
    judged, known = data()
    write_candidate(twin, "sasrec", judged, CONFIG)
    write_refit(refit, twin, known)
    return twin, refit


def test_a_refit_names_its_twin_and_what_it_learned_from(network: tuple[Path, Path]) -> None:
    twin, refit = map(read_manifest, network)
    assert (twin.trained_on, twin.twin, twin.trained_until) == (TRAINING_PART, "", "")
    assert (refit.trained_on, refit.twin) == (EVERYTHING, bundle_hash(network[0]))
    assert refit.metrics == twin.metrics and refit.split == twin.split
    assert refit.trained_until == newest_day(data()[1].facts.times) != ""
    assert refit.config == twin.config | {"exact_epochs": best_epoch(network[0])}
    assert refit.export_error <= 1e-3
    assert read_items(network[1]).counts.tolist() == sequences().counts().tolist()
    check_golden(network[1])


@pytest.mark.slow
def test_the_same_bytes_again_and_after_a_kill(network: tuple[Path, Path], tmp_path: Path) -> None:
    twin, refit = network
    assert best_epoch(twin) > 1

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_refit(tmp_path / "killed", twin, data()[1], Hooks(tmp_path / "work", killed))
    told: list[int] = []
    hooks = Hooks(tmp_path / "work", lambda report: told.append(report.epoch))
    write_refit(tmp_path / "again", twin, data()[1], hooks)
    assert told == list(range(2, best_epoch(twin) + 1))
    assert bundle_hash(tmp_path / "again") == bundle_hash(refit)


def test_a_refit_knows_an_item_that_only_the_newest_plays_have(tmp_path: Path) -> None:
    """All users end with an item that nobody had before: the twin ranks it last, its refit does not."""
    old = sequences()
    ends = [np.append(old.user(u)[old.user(u) != N_ITEMS], N_ITEMS) for u in range(len(old))]
    known = Sequences.from_lists(ends, N_ITEMS)
    judged, all_known = data()
    judged = replace(judged, split=leave_one_out(known))
    all_known = replace(all_known, split=everything(known))
    write_candidate(tmp_path / "twin", "gru4rec", judged, CONFIG)
    write_refit(tmp_path / "refit", tmp_path / "twin", all_known)
    trial = try_refit(tmp_path / "refit", tmp_path / "twin", judged.split.test, 0.05)
    assert trial.twin_ndcg < 0.1 and trial.ndcg > 0.5


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_keeps_its_settings(name: str, tmp_path: Path) -> None:
    judged, known = data(exclude_seen=not name.startswith("most_"))
    folders = tmp_path / "twin", tmp_path / "refit"
    write_baseline(folders[0], name, judged)
    write_refit(folders[1], folders[0], known)
    twin, refit = map(read_manifest, folders)
    assert (refit.config, refit.metrics) == (twin.config, twin.metrics)
    assert (refit.twin, refit.trained_on) == (bundle_hash(folders[0]), EVERYTHING)
    before, after = (load_file(folder / WEIGHTS_FILE) for folder in folders)
    assert before.keys() == after.keys()
    changed = any(not np.array_equal(before[weight], after[weight]) for weight in before)
    assert changed == (name != "next_larger_id")  # which learns nothing from plays
    assert not try_refit(folders[1], folders[0], judged.split.test, 0.05).faults


def test_other_tables_and_a_lost_curve_are_told(network: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(RefitError, match="other tables than the current ones"):
        write_refit(tmp_path / "refit", network[0], replace(data()[1], fingerprint="others"))
    twin = Path(shutil.copytree(network[0], tmp_path / "twin"))
    (twin / "curve.json").unlink()
    with pytest.raises(BundleError, match=r"no readable curve\.json"):
        write_refit(tmp_path / "refit", twin, data()[1])


def test_a_manifest_from_before_was_trained_on_its_training_part(
    network: tuple[Path, Path], tmp_path: Path
) -> None:
    values = json.loads((network[0] / MANIFEST_FILE).read_text())
    for name in ("trained_on", "trained_until", "twin"):
        del values[name]
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(values))
    assert read_manifest(tmp_path) == read_manifest(network[0])
    assert Manifest(**values).trained_on == TRAINING_PART


def test_a_sound_refit_has_no_fault(network: tuple[Path, Path]) -> None:
    twin, refit = network
    trial = try_refit(refit, twin, data()[0].split.test, 0.05)
    assert trial.faults == () and trial.users == len(data()[0].split.test)
    assert trial.overlap > MIN_OVERLAP and trial.ndcg >= trial.twin_ndcg


Spoil = Callable[[dict[str, np.ndarray]], None]


def nan(weights: dict[str, np.ndarray]) -> None:
    weights[ITEM_EMBEDDINGS][1:, 0] = np.nan


def popular_only(weights: dict[str, np.ndarray]) -> None:
    weights[ITEM_EMBEDDINGS][:] = 0
    weights[ITEM_BIAS][:] = np.linspace(1, 0, len(weights[ITEM_BIAS]))


def shuffled(weights: dict[str, np.ndarray]) -> None:
    weights[ITEM_EMBEDDINGS][1:] = np.random.default_rng(0).permutation(weights[ITEM_EMBEDDINGS][1:])


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (nan, "it gave no number (NaN) for"),
        (popular_only, "% of the catalogue, its twin"),
        (shuffled, "surely below the"),
    ],
)
def test_a_collapse_is_seen(
    spoil: Spoil, told: str, network: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Path(shutil.copytree(network[1], tmp_path / "bad"))
    weights = load_file(bad / WEIGHTS_FILE)
    spoil(weights)
    save_file(weights, bad / WEIGHTS_FILE)
    with pytest.raises(BundleError, match="does not give the answers"):
        try_refit(bad, network[0], data()[0].split.test, 0.05)
    monkeypatch.setattr("assets.training.refit_trial.check_golden", lambda _: None)
    faults = try_refit(bad, network[0], data()[0].split.test, 0.05).faults
    assert any(told in fault for fault in faults), faults


def test_nothing_to_try_it_on_is_a_fault(network: tuple[Path, Path]) -> None:
    none = data()[1].split.test
    assert try_refit(network[1], network[0], none, 0.05).faults == ("there is no test play to try it on",)


@pytest.mark.parametrize(
    ("times", "day"),
    [
        (None, ""),
        (np.empty(0, np.int64), ""),
        (np.array([3, 1, 2]), ""),
        (np.array([1_500_000_000, 1_400_000_000]), "2017-07-14"),
        (np.array([1_500_000_000_000]), "2017-07-14"),
    ],
)
def test_the_day_of_the_newest_play(times: np.ndarray | None, day: str) -> None:
    assert newest_day(times) == day


def test_exact_epochs_are_trained_whatever_validation_says() -> None:
    split = data()[0].split
    trained = train("gru4rec", split, CONFIG.with_changes(exact_epochs=3, patience=1))
    assert (
        len(trained.curve) == trained.best_epoch == 3 and trained.metrics == trained.curve[-1].metrics != {}
    )
