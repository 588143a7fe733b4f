"""The search for settings, on a finished run of the sample."""

import pytest

from assets.release.retention import plan_removals
from assets.resources import Home, Retention, Training
from assets.training.tuning import TUNED, tune

pytest.importorskip("optuna")
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
