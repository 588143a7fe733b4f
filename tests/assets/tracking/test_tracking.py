"""MLflow's own store, in SQLite: one run a candidate, one version a bundle, one champion."""

import shutil
from pathlib import Path

import pytest
from mlflow.entities import ViewType

from assets.tracking.tracking import Tracking, TrackingError


@pytest.fixture
def tracking(mlflow_folder: Path) -> Tracking:
    return Tracking(mlflow_folder)


def model(folder: Path) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_a_killed_run_is_taken_up_again(tracking: Tracking) -> None:
    with pytest.raises(RuntimeError), tracking.run("sasrec", "f1") as first:
        raise RuntimeError("killed")
    with tracking.run("sasrec", "f1") as again:
        again.metrics({"validation ndcg@10": 0.25}, step=3)
    assert again.run_id == first.run_id
    run = again.client.get_run(again.run_id)
    assert run.info.status == "FINISHED"
    (point,) = again.client.get_metric_history(again.run_id, "validation ndcg_at_10")
    assert (point.value, point.step) == (0.25, 3)
    assert run.data.tags["environment.python"].startswith("3.")


def test_the_page_of_the_runs_is_that_of_the_experiment(tracking: Tracking) -> None:
    with tracking.run("sasrec", "f1") as run:
        pass
    experiment = run.client.get_run(run.run_id).info.experiment_id
    assert tracking.runs_page == f"/#/experiments/{experiment}/runs"


def test_a_bundle_is_registered_once_and_downloads_again(tracking: Tracking, tmp_path: Path) -> None:
    with tracking.run("sasrec", "f1") as run:
        run.model(model(tmp_path / "made"))
    version = tracking.register(run.run_id, "hash-1", "a model")
    assert tracking.register(run.run_id, "hash-1", "a model") == version == tracking.version_of("hash-1")
    assert tracking.run_of(version) == run.run_id
    copy = run.client.download_artifacts(run.run_id, "model", str(tmp_path))
    assert (Path(copy) / "manifest.json").read_text() == "{}"


def test_the_champion_is_an_alias_that_moves(tracking: Tracking, tmp_path: Path) -> None:
    assert tracking.champion() is None
    versions = []
    for name in ("f1", "f2"):
        with tracking.run("sasrec", name) as run:
            run.model(model(tmp_path / name))
        versions.append(tracking.register(run.run_id, name, "a model"))
        tracking.set_champion(versions[-1])
        assert tracking.champion() == versions[-1]
    assert versions[0] != versions[1]


def test_the_runs_of_a_search_are_left_alone(tracking: Tracking) -> None:
    with tracking.run("sasrec", "f1") as trained, tracking.run("tune sasrec", "s", search="study") as parent:
        with tracking.run("trial 0", "t", search="study") as trial:
            trial.tags({"mlflow.parentRunId": parent.run_id})
        assert tracking.runs() == [trained.run_id], "also while the search runs"
    for thrown_away in (trained, trial):
        trial.client.delete_run(thrown_away.run_id)
    tracking.discard([], [])
    left = {run.info.run_id for run in trial.client.search_runs(["1"], run_view_type=ViewType.ALL)}
    assert left == {parent.run_id, trial.run_id}


def test_a_home_that_was_copied_logs_to_itself(mlflow_folder: Path, tmp_path: Path) -> None:
    store = tmp_path / "first"
    store.mkdir()
    shutil.move(mlflow_folder / "mlflow.db", store)
    first = Tracking(store)
    with first.run("sasrec", "f1") as run:
        run.model(model(tmp_path / "made"))
    first.register(run.run_id, "hash-1", "a model")
    copy = Tracking(shutil.copytree(store, tmp_path / "copy"))
    with copy.run("sasrec", "f1") as again:
        assert again.run_id == run.run_id
        address = again.client.get_run(run.run_id).info.artifact_uri
    assert address == (tmp_path / "copy" / "artifacts" / run.run_id / "artifacts").as_uri()
    copy.discard([copy.version_of("hash-1")], [run.run_id])
    assert copy.versions() == [] and copy.runs() == []
    assert not list((tmp_path / "copy" / "artifacts" / run.run_id).iterdir())
    assert (store / "artifacts" / run.run_id / "artifacts" / "model" / "manifest.json").exists()
    assert first.version_of("hash-1") == "1"


@pytest.mark.parametrize("gone", ["deleted", "collected"])
def test_a_run_that_somebody_deleted_keeps_no_night_from_its_end(
    gone: str, tracking: Tracking, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In MLflow's UI, say: the version of its bundle is still there."""
    with tracking.run("sasrec", "f1") as run:
        run.model(model(tmp_path / "made"))
    version = tracking.register(run.run_id, "hash-1", "a model")
    run.client.delete_run(run.run_id)
    if gone == "collected":
        tracking._collect([run.run_id])
    (tmp_path / "page.html").touch()
    tracking.judged(version, {"test ndcg_at_10": 0.2}, "refused: worse")
    tracking.attach(tracking.run_of(version), tmp_path / "page.html", "report")
    tag = run.client.get_model_version("nextplay", version).tags["nextplay.verdict"]
    assert tag == "refused: worse" and tracking.version_of("hash-1") == version
    assert "was deleted in MLflow: its test metrics are not kept" in caplog.text
    with tracking.run("sasrec", "f1") as again:
        assert again.run_id != run.run_id


def test_an_experiment_that_somebody_deleted_is_one_sentence(tracking: Tracking, mlflow_folder: Path) -> None:
    with tracking.run("sasrec", "f1") as run:
        pass
    run.client.delete_experiment(run.client.get_run(run.run_id).info.experiment_id)
    with pytest.raises(TrackingError, match="was deleted there: restore it") as told:
        Tracking(mlflow_folder)
    assert "\n" not in str(told.value) and "NEXTPLAY_MLFLOW_EXPERIMENT" in str(told.value)
