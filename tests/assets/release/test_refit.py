"""What serves is the winner's refit, and the judged bundle where that failed or is turned off."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from mlflow import MlflowClient

from assets.evaluation.fairness import fair_match
from assets.evaluation.gate import read_verdict
from assets.release import bento as packaging
from assets.release import promotion as by_hand
from assets.release.bento import bento
from assets.release.promotion import PromotionError, promotion
from assets.release.refit import TURNED_OFF, refit, the_refit_serves, what_serves
from assets.release.retention import plan_removals
from assets.resources import Gate, Home, Retention, Source, Training
from assets.training.refit import RefitError
from assets.training.refit_trial import Trial
from models.bundle.bundle import EVERYTHING, TRAINING_PART, bundle_hash, read_manifest
from pipelines.operator.status import with_architecture
from pipelines.resources import Settings
from serving.state.pointer import Pointer, read_pointer
from tests.support.bentos import answer_at_once
from tests.support.homes import failed_checks, failure, materialize, metadata, rows
from tests.support.runs import TINY, FinishedRun


def make(home: Home, *more: dg.AssetsDefinition, refitting: bool = True) -> dg.ExecuteInProcessResult:
    return materialize(
        home, refit, the_refit_serves, *more,
        source=Source(sample_size="tiny"),
        training=Training(progress=False, refit=refitting),
        gate_policy=Gate(),
    )  # fmt: skip


def champion(home: Home) -> Pointer:
    pointer = read_pointer(home.pointer_file)
    assert pointer is not None
    return pointer


def winner(home: Home) -> Path:
    return home.bundles().current(read_verdict(home).winner)


def without_champion(home: Home) -> None:
    """As after the gate of a first night."""
    shutil.rmtree(home.pointer_file.parent)


def test_the_champion_is_a_refit_beside_its_judged_twin(tiny_run: FinishedRun) -> None:
    home, now = tiny_run.home, champion(tiny_run.home)
    served, twin = now.folder(home.pointer_file), now.twin_folder(home.pointer_file)
    assert (bundle_hash(served), bundle_hash(twin)) == (now.bundle_hash, now.judged_hash)
    assert twin == winner(home)
    assert read_manifest(served).trained_on == EVERYTHING and read_manifest(twin).trained_on == TRAINING_PART
    assert read_manifest(served).twin == now.twin_hash == now.judged_hash != now.bundle_hash
    told = rows(home, "refit", "winner_hash, served_hash, refitted")
    assert told == [(now.judged_hash, now.bundle_hash, True)]


def test_the_refit_is_a_version_that_names_its_twins(tiny_run: FinishedRun) -> None:
    home, now = tiny_run.home, champion(tiny_run.home)
    twin = home.tracking().version_of(now.judged_hash)
    client = MlflowClient(f"sqlite:///{home.folder() / 'mlflow' / 'mlflow.db'}")
    version = client.get_model_version_by_alias("nextplay", "champion")
    assert str(version.version) == now.version != twin
    assert version.description.endswith(f", refit of version {twin} on everything")
    judged = client.get_model_version("nextplay", twin)
    assert judged.tags["nextplay.verdict"] == version.tags["nextplay.verdict"]


def test_the_next_comparison_is_with_the_twin(tiny_run: FinishedRun) -> None:
    assert fair_match(tiny_run.home).champion == winner(tiny_run.home)


@pytest.mark.parametrize("damaged", ["folder", "twin_folder"])
def test_a_damaged_twin_counts_as_a_damaged_champion(damaged: str, home: Home) -> None:
    folder = getattr(champion(home), damaged)(home.pointer_file)
    (folder / "items.json").write_bytes(b"{}")
    assert fair_match(home).champion is None


@pytest.mark.slow
def test_a_second_time_trains_nothing_and_gives_the_same(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.release.refit.write_refit", None)  # as good as an exception
    before, pointer = rows(home, "refit"), home.pointer_file.read_bytes()
    assert make(home, bento, promotion).success
    assert rows(home, "refit") == before and home.pointer_file.read_bytes() == pointer
    versions = [version.bundle_hash for version in home.tracking().versions()]
    assert len(set(versions)) == len(versions)


@pytest.mark.slow
def test_turned_off_the_judged_bundle_serves(home: Home) -> None:
    without_champion(home)
    done = make(home, bento, promotion, refitting=False)
    assert metadata(done, "refit")["why"] == TURNED_OFF and failed_checks(done) == []
    now = champion(home)
    assert now.folder(home.pointer_file) == now.twin_folder(home.pointer_file) == winner(home)
    assert (now.judged, now.judged_hash, now.twin_hash) == ("", "", bundle_hash(winner(home)))
    assert fair_match(home).champion == winner(home)


def collapsed(*_: object) -> Trial:
    return Trial(9, 0.01, 0.2, 0.9, 0.1, 0.3, ("its top 10 shares 1.0% with its twin's",))


def diverged(*_: object, **__: object) -> None:
    raise RefitError("Training of sasrec failed: the loss became nan in epoch 2, step 1.")


@pytest.mark.parametrize(
    ("replaced", "by", "told"),
    [
        ("try_refit", collapsed, "shares 1.0% with its twin's"),
        pytest.param("write_refit", diverged, "the loss became nan", marks=pytest.mark.slow),
    ],
)
def test_a_refit_that_fails_does_not_serve_and_a_warning_says_why(
    replaced: str, by: Callable[..., object], told: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_champion(home)
    monkeypatch.setattr(f"assets.release.refit.{replaced}", by)
    if by is collapsed:  # the long suites start a Bento with what serves in its place
        answer_at_once(packaging, monkeypatch)
    if by is diverged:
        for folder in home.folder("bundles").glob("*-refit-*"):
            shutil.rmtree(folder)
    done = make(home, bento, promotion)
    assert done.success and told in metadata(done, "refit")["why"]
    (check,) = [e for e in done.get_asset_check_evaluations() if e.check_name == "the_refit_serves"]
    assert not check.passed and check.severity is dg.AssetCheckSeverity.WARN and told in check.description
    assert champion(home).folder(home.pointer_file) == winner(home) and champion(home).judged == ""


def test_a_refit_of_another_winner_is_refused(home: Home) -> None:
    other = home.folder("bentoml", "tmp") / "refit.parquet"
    with home.lake().connect("refit") as connection:
        changed = "SELECT * REPLACE (repeat('0', 64) AS winner_hash) FROM refit"
        connection.execute(f"COPY ({changed}) TO '{other}' (FORMAT parquet)")
    home.lake().publish("refit", "0" * 64, lambda path: shutil.copy(other, path))
    told = f"Nothing says what serves of {read_verdict(home).winner}: materialize the asset refit first."
    assert failure(materialize(home, bento, must_succeed=False)) == told


@pytest.mark.slow
def test_a_refit_that_was_damaged_is_refused_and_made_again(home: Home) -> None:
    served = what_serves(home, read_verdict(home).winner).bundle
    before = bundle_hash(served)
    (served / "items.json").write_bytes(b"{}")
    told = failure(materialize(home, bento, must_succeed=False))
    assert "is damaged: materialize the asset refit again." in told
    assert make(home, bento).success
    assert bundle_hash(served) == before


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    answer_at_once(by_hand, monkeypatch)


@pytest.mark.usefixtures("answering")
def test_by_hand_a_judged_version_serves_as_it_is_and_a_refit_takes_its_twin_along(home: Home) -> None:
    now = champion(home)
    judged = home.tracking().version_of(now.judged_hash)
    as_it_is = by_hand.promote(home, judged, "ada", "no refits")
    assert (as_it_is.bundle_hash, as_it_is.judged) == (now.judged_hash, "")
    again = by_hand.promote(home, now.version, "ada", "refits after all")
    assert (again.bundle_hash, again.judged_hash) == (now.bundle_hash, now.judged_hash)
    assert champion(home).twin_folder(home.pointer_file) == now.twin_folder(home.pointer_file)
    back = by_hand.rollback(home)
    assert (back.bundle_hash, champion(home).judged_hash) == (now.judged_hash, "")


@pytest.mark.usefixtures("answering")
def test_by_hand_a_refit_without_its_twin_is_refused(home: Home) -> None:
    now = champion(home)
    shutil.rmtree(now.twin_folder(home.pointer_file))
    with pytest.raises(PromotionError, match="the bundle that was judged in its place is gone or damaged"):
        by_hand.promote(home, now.version, "ada", "it is the best")


def test_a_rollback_brings_the_twin_back_too(home: Home) -> None:
    first = champion(home)
    other = home.bundles().current("markov")
    version = home.tracking().version_of(bundle_hash(other))
    home.champions().crown(Pointer(str(other), version, bundle_hash(other), 1.0), {})
    assert champion(home).judged == ""
    by_hand.rollback(home)
    assert (champion(home).bundle_hash, champion(home).twin_hash) == (first.bundle_hash, first.twin_hash)
    assert champion(home).twin_folder(home.pointer_file) == first.twin_folder(home.pointer_file)


def test_a_twin_stays_as_long_as_its_champion(home: Home) -> None:
    now, current = champion(home), home.folder("bundles") / "current.json"
    current.write_text(json.dumps({"markov": home.bundles().currents()["markov"]}))
    gone = plan_removals(home, Retention(candidates=1))
    twin = now.twin_folder(home.pointer_file)
    assert not {twin.name, now.folder(home.pointer_file).name} & set(gone.bundles)
    assert home.tracking().version_of(now.judged_hash) not in gone.registered


def test_status_says_what_the_champion_learned_from(tiny_run: FinishedRun) -> None:
    told = with_architecture(tiny_run.home.champions(), champion(tiny_run.home)).learned
    assert told == "Trained once more on everything known; the figures are those of its judged twin."


def test_a_pointer_from_before_has_its_own_bundle_as_twin(tmp_path: Path) -> None:
    path = tmp_path / "pointer.json"
    path.write_text('{"bundle": "b", "version": "1", "bundle_hash": "0", "promoted_at": 1.0}')
    pointer = read_pointer(path)
    assert pointer is not None and pointer.twin_hash == "0"
    assert pointer.twin_folder(path) == pointer.folder(path) == tmp_path / "b"


def test_the_setting() -> None:
    assert Settings(**TINY).refit
    assert not Settings(**TINY, refit="no").refit
