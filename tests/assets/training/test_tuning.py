"""The search for settings, on a finished run of the sample."""

from typing import ClassVar

import pytest
from filelock import FileLock

from assets.release.retention import plan_removals
from assets.resources import Home, Retention, Training
from assets.state.files import sqlite_address
from assets.training import tuning
from assets.training.tuning import TUNED, TuningError, tune

optuna = pytest.importorskip("optuna")
QUICK = Training(changes={"epochs": 2}, threads=1, progress=False)


def test_the_search_starts_from_the_defaults_goes_on_and_is_kept_in_mlflow(
    home: Home,
) -> None:
    told = []
    first = tune(home, "gru4rec", training=QUICK, minutes=0.0, on_trial=told.append)
    assert first.trials == 1 and first.ndcg == first.default_ndcg > 0
    assert set(first.changes) == set(TUNED)
    second = tune(home, "gru4rec", training=QUICK, minutes=0.02, on_trial=told.append)
    assert second.trials > first.trials and len(told) == second.trials
    assert second.ndcg >= first.ndcg and second.default_ndcg == first.default_ndcg
    client = home.tracking()._client
    runs = client.search_runs(["1"], max_results=1000)
    parent = next(run.info.run_id for run in runs if run.info.run_name == "tune gru4rec")
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(nested) == second.trials
    assert all(set(TUNED) <= set(run.data.params) for run in nested)
    searched = {parent, *(run.info.run_id for run in nested)}
    assert searched.isdisjoint(plan_removals(home, Retention(candidates=1)).runs)


def test_after_a_kill_the_defaults_are_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kill leaves a trial under way, which nobody ends: it counts for nothing, and is given up."""

    class Trained:
        metrics: ClassVar = {"ndcg@10": 0.25}

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(tuning, "train_network", killed)
    with pytest.raises(SystemExit):
        tune(home, "gru4rec", training=QUICK, minutes=0.0)
    monkeypatch.setattr(tuning, "train_network", lambda *_, **__: Trained)
    monkeypatch.setattr(tuning._Ranks, "keep", lambda *_: None)
    best = tune(home, "gru4rec", training=QUICK, minutes=0.0)
    assert (best.trials, best.ndcg, best.default_ndcg) == (2, 0.25, 0.25)
    states = [
        trial.state.name
        for trial in optuna.load_study(
            study_name=None, storage=sqlite_address(home.folder("tuning") / "studies.db")
        ).trials
    ]
    assert states == ["FAIL", "COMPLETE"]


def test_one_search_works_at_a_time(home: Home) -> None:
    lock = FileLock(home.folder("tuning") / "search.lock")
    with lock, pytest.raises(TuningError, match="Another search for settings works in"):
        tune(home, "gru4rec", training=QUICK, minutes=0.0)


def test_minutes_in_all_are_those_of_every_call(home: Home) -> None:
    """A night that was stopped in its search goes on with what is left of the budget."""
    first = tune(home, "gru4rec", training=QUICK, minutes=0.05, in_all=True)
    assert tune(home, "gru4rec", training=QUICK, minutes=0.0, in_all=True).trials == first.trials
    fixed = Training(changes={"epochs": 2, "dropout": 0.2}, threads=1, progress=False)
    assert "dropout" not in tune(home, "gru4rec", training=fixed, minutes=0.0).changes
