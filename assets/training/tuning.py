"""The search for better settings: Optuna, looking at validation only, within a budget of minutes."""

import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from assets.resources import Home, Training
from assets.state.files import sqlite_address
from assets.state.lake import fingerprint
from assets.training.bundling import (
    TrainingData,
    candidate_code,
    data_fingerprint,
    load_training_data,
    train_network,
)
from assets.training.candidate import training_config
from assets.training.hooks import Hooks
from models.config import TrainConfig
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import SEED, bootstrap_interval
from models.mistakes import UserError

if TYPE_CHECKING:
    import optuna

    from models.training.reports import EpochReport
    from models.training.train import Trained

TUNED = (
    "dropout",
    "item_dropout",
    "learning_rate",
    "embedding_learning_rate",
    "weight_decay",
    "batch_positions",
    "feed_factor",
)
DEFAULTS = "defaults"  # marks the trial of them
CONFIDENCE = 0.8  # of the two-sided interval by which settings must be above the defaults to be sure
WARM_UP_EPOCHS = 3  # before a trial may be pruned


class TuningError(UserError):
    """The search cannot be made; the message says why."""


class OtherSearchError(TuningError):
    """Another search works in the home."""


@dataclass(frozen=True)
class Best:
    """What the search found: settings that differ from the defaults, and NDCG@10 on validation."""

    changes: Mapping[str, Any]
    ndcg: float
    default_ndcg: float
    trials: int
    sure: bool  # whether they are above the defaults by an interval over the validation plays


def search_space(trial: "optuna.Trial") -> dict[str, Any]:
    """One point of the space, a value for each of TUNED: what quality has been seen to depend on."""
    return {
        "dropout": trial.suggest_float("dropout", 0.05, 0.6),
        "item_dropout": trial.suggest_float("item_dropout", 0.0, 0.4),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 3e-3, log=True),
        "embedding_learning_rate": trial.suggest_float("embedding_learning_rate", 2e-3, 3e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        "batch_positions": trial.suggest_categorical("batch_positions", [128, 256, 512, 1024, 2048]),
        "feed_factor": trial.suggest_categorical("feed_factor", [1, 4]),
    }


def tune(
    home: Home,
    architecture: str,
    *,
    training: Training,
    minutes: float,
    in_all: bool = False,
    on_trial: Callable[[str], None] = print,
) -> Best:
    """Search for so many minutes, the defaults first; trials stay in the home, and a later call goes on.

    With `in_all` the minutes are those of all calls together, and the trial that they end in is pruned.
    What `training` changes of the defaults is not searched.

    Each trial is an MLflow run nested under that of the search; retention leaves both alone. A trial is
    pruned where its validation NDCG@10 after an epoch lies below the median of earlier trials. Test items are
    not looked at. Raises TuningError where Optuna is not installed, or another search works in the home.
    """
    with _alone(home):
        return _search(home, architecture, training, minutes, in_all, on_trial)


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """So that a trial which is under way when a search begins is one that a kill has left."""
    lock = FileLock(home.folder("tuning") / "search.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise OtherSearchError(
            f"Another search for settings works in {home.path}: wait for its end, or stop it."
        ) from None
    try:
        yield
    finally:
        lock.release()


def _search(
    home: Home,
    architecture: str,
    training: Training,
    minutes: float,
    in_all: bool,
    on_trial: Callable[[str], None],
) -> Best:
    data = load_training_data(home.lake(), "")
    defaults = training_config(architecture, data.split, training, bool(data.items.attributes))
    study = _study(home, architecture, defaults)
    _give_up_killed(study)
    if not any(_of_defaults(trial) and (trial.value is not None or _waits(trial)) for trial in study.trials):
        study.enqueue_trial({name: _value(defaults, name) for name in TUNED}, user_attrs={DEFAULTS: True})
    search, kept = fingerprint("tuning", study.study_name), _Ranks(home, study.study_name)
    with home.tracking().run(f"tune {architecture}", search, search=search) as parent:
        until = time.monotonic() + 60 * minutes - (_seconds(study) if in_all else 0)
        while time.monotonic() < until or not _complete(study):
            trial, ends = study.ask(), until if in_all and _complete(study) else float("inf")
            changes = {k: v for k, v in search_space(trial).items() if k not in training.changes}
            made_from = fingerprint(search, trial.number)
            with home.tracking().run(f"trial {trial.number}", made_from, search=search) as run:
                run.tags({"mlflow.parentRunId": parent.run_id})
                run.params({"architecture": architecture, **changes})
                ndcg = _try(study, trial, architecture, data, defaults.with_changes(**changes), kept, ends)
                if ndcg is not None:
                    run.metrics({"validation ndcg@10": ndcg})
            on_trial(f"trial {trial.number}: {'pruned' if ndcg is None else f'{ndcg:.4f}'} {changes}")
        parent.metrics({"validation ndcg@10": study.best_value})
        parent.params({f"best {name}": value for name, value in study.best_params.items()})
    first = next(trial for trial in study.trials if _of_defaults(trial) and trial.value is not None)
    best = {name: value for name, value in study.best_params.items() if name not in training.changes}
    sure = kept.surely_better(study.best_trial.number, first.number, data)
    return Best(best, study.best_value, float(first.value or 0.0), len(study.trials), sure)


class _Ranks:
    """Ranks of the validation plays after a trial: those of the defaults, and of each that was the best."""

    def __init__(self, home: Home, study: str) -> None:
        self._folder, self._study = home.folder("tuning", "ranks"), study

    def keep(self, trial: int, trained: "Trained", data: TrainingData) -> None:
        from models.training.scoring import NetworkScorer

        ranks = rank_targets(NetworkScorer(trained.network), data.split.validation)
        np.save(self._file(trial), ranks)

    def surely_better(self, best: int, defaults: int, data: TrainingData) -> bool:
        """False where they are the same, too, or a release that kept no ranks tried them."""
        files = [self._file(trial) for trial in (best, defaults)]
        if best == defaults or not all(file.exists() for file in files):
            return False
        own, other = (per_user("ndcg@10", np.load(file)) for file in files)
        low, _ = bootstrap_interval(
            own - other, confidence=CONFIDENCE, seed=SEED, people=data.split.validation.people
        )
        return low > 0

    def _file(self, trial: int) -> Path:
        return self._folder / f"{self._study}-{trial}.npy"


def _seconds(study: "optuna.Study") -> float:
    """Of all trials so far; one that was killed counts for nothing, for nobody knows when it ended."""
    took = (trial.duration for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED"))
    return float(sum(one.total_seconds() for one in took if one is not None))


def _give_up_killed(study: "optuna.Study") -> None:
    """Record as failed the trials that a kill has left under way."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(trial.number, state=TrialState.FAIL)


def _of_defaults(trial: "optuna.trial.FrozenTrial") -> bool:
    """Whether a trial is one of the defaults; in searches of before that was the first."""
    return trial.number == 0 or DEFAULTS in trial.user_attrs


def _waits(trial: "optuna.trial.FrozenTrial") -> bool:
    return bool(trial.state.name == "WAITING")


def _try(
    study: "optuna.Study",
    trial: "optuna.Trial",
    architecture: str,
    data: TrainingData,
    config: TrainConfig,
    kept: _Ranks,
    ends: float,
) -> float | None:
    """Best validation NDCG@10 of one training, or None where it was pruned."""
    import optuna

    def report(epoch: "EpochReport") -> None:
        trial.report(epoch.ndcg, epoch.epoch)
        if trial.should_prune() or time.monotonic() > ends:
            raise optuna.TrialPruned

    try:
        trained = train_network(architecture, data, config, Hooks(on_epoch=report))
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return None
    ndcg = trained.metrics["ndcg@10"]
    if not _complete(study) or ndcg > study.best_value:
        kept.keep(trial.number, trained, data)
    study.tell(trial, ndcg)
    return ndcg


def _study(home: Home, architecture: str, defaults: TrainConfig) -> "optuna.Study":
    """The search of these data by this code, kept in an SQLite file."""
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = fingerprint(architecture, data_fingerprint(home.lake()), candidate_code(), defaults.to_dict())[:16]
    return optuna.create_study(
        study_name=f"{architecture}-{name}",
        storage=sqlite_address(home.folder("tuning") / "studies.db"),
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=defaults.seed),
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=WARM_UP_EPOCHS),
        load_if_exists=True,
    )


def require_optuna() -> None:
    """Raises TuningError where it is not installed."""
    if importlib.util.find_spec("optuna") is None:
        raise TuningError("Optuna is not installed: run make tune, or pip install -e '.[tune]'.")


def _complete(study: "optuna.Study") -> bool:
    return any(_of_defaults(trial) and trial.value is not None for trial in study.trials)


def _value(config: TrainConfig, name: str) -> Any:
    return getattr(config.network if hasattr(config.network, name) else config, name)
