"""What goes wrong in three of the nights. Each must leave the champion in place, and the loop recover."""

import multiprocessing
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from assets.evaluation.gate import read_verdict
from assets.resources import Home, Training
from assets.state.bundles import BundleStore
from models.bundle.bundle import WEIGHTS_FILE
from models.mistakes import UserError
from pipelines.simulation.nights import Night, Plan, Run, champion, night, run_job
from pipelines.simulation.source import CATALOGUE

UNTIL_TRAINING_S = 300.0

CANDIDATES = Training().candidates


class FaultError(UserError):
    """A fault did not do what it is there for, or harmed the champion."""


def killed_in_training(plan: Plan, home: Path, day: int, way: str) -> Night:
    """kill -9 after the first epoch; the next run goes on from the checkpoint."""
    started, before = time.monotonic(), champion(home)
    known = set(_checkpoints(home))
    process = multiprocessing.get_context("spawn").Process(target=run_job, args=(plan, home, day))
    process.start()
    try:
        _wait_for(lambda: bool(set(_checkpoints(home)) - known), process)
    finally:
        process.kill()
        process.join()
    _check_champion(home, before, "a kill")
    failure = run_job(plan, home, day)
    if failure:
        raise FaultError(f"The run after a kill failed: {failure}")
    fault = "killed (-9) in training; run again"
    return night(home, day, way, before, 2, time.monotonic() - started, fault)


def truncated_file(plan: Plan, home: Path, day: int, way: str) -> Night:
    """The catalogue arrives cut off, and whole in time for the retry."""
    started, before = time.monotonic(), champion(home)
    file = plan.source / CATALOGUE
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    failure = run_job(plan, home, day)
    file.write_bytes(whole)
    if not failure:
        raise FaultError("A truncated file was taken for a whole one.")
    _check_champion(home, before, "a truncated file")
    again = run_job(plan, home, day)
    if again:
        raise FaultError(f"The run after a truncated file failed: {again}")
    told = failure.replace(f"{plan.source}/", "")
    fault = f"the catalogue was cut off ({told.rstrip('.')}); whole on the second run"
    return night(home, day, way, before, 2, time.monotonic() - started, fault)


def nan_candidates(plan: Plan, home: Path, day: int, way: str) -> Night:
    """Every weight of tonight's candidates turns to NaN after they were trained."""
    started, before = time.monotonic(), champion(home)
    failure = run_job(plan, home, day, until=CANDIDATES)
    if failure:
        raise FaultError(f"The candidates could not be trained: {failure}")
    for network in CANDIDATES:
        _spoil(Home(path=str(home)).bundles(), network)
    failure = run_job(plan, home, day)
    _check_champion(home, before, "candidates of NaN")
    seconds = time.monotonic() - started
    if failure:
        raise FaultError(f"The run with candidates of NaN failed: {failure}")
    told = next((reason for reason in read_verdict(Home(path=str(home))).reasons if "(NaN)" in reason), None)
    if told is None:
        raise FaultError("Candidates of NaN were refused for another reason, or judged as something else.")
    fault = "the weights of all candidates were NaN; refused"
    return replace(night(home, day, way, before, 1, seconds, fault), reason=told)


FAULTS: Mapping[int, Run] = {
    12: killed_in_training,
    20: truncated_file,
    42: nan_candidates,
}


def _spoil(store: BundleStore, network: str) -> None:
    """Publish NaN as what was trained: weights that were only overwritten would be damage, and made again."""
    folder = store.current(network)
    weights = load_file(folder / WEIGHTS_FILE)

    def write(spoiled: Path) -> None:
        shutil.copytree(folder, spoiled, dirs_exist_ok=True)
        nothing = {name: np.full_like(values, np.nan) for name, values in weights.items()}
        save_file(nothing, spoiled / WEIGHTS_FILE)

    (folder / WEIGHTS_FILE).unlink()  # a bundle that is whole is not written anew
    store.publish(network, folder.name.removeprefix(f"{network}-"), write)


def _checkpoints(home: Path) -> list[Path]:
    from models.training.checkpoint import STATE_FILE  # it imports torch

    return list((home / "checkpoints").glob(f"*/{STATE_FILE}"))


def _wait_for(ready: Callable[[], bool], process: multiprocessing.process.BaseProcess) -> None:
    ends = time.monotonic() + UNTIL_TRAINING_S
    while not ready():
        if not process.is_alive() or time.monotonic() > ends:
            raise FaultError("The run that was to be killed in training never came that far.")
        time.sleep(0.02)


def _check_champion(home: Path, before: object, after: str) -> None:
    if champion(home) != before:
        raise FaultError(f"The champion is another one after {after}.")
