"""The operator's commands, as people and as Dagster's jobs give them."""

import json
import os
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.release import promotion as by_hand
from assets.resources import Home
from models.bundle.bundle import bundle_hash, read_golden, read_manifest
from pipelines.definitions import define
from pipelines.operator import servers, status
from pipelines.operator.cli import answer
from pipelines.operator.status import read_status
from pipelines.operator.status_page import rendered
from pipelines.resources import Settings
from serving.state.pointer import read_pointer
from tests.support.bentos import answer_at_once


def job(name: str, home: Home, config: dict[str, str] | None = None) -> dg.ExecuteInProcessResult:
    definition = define(Settings(home=Path(home.path))).resolve_job_def(name)
    (op,) = definition.nodes
    run_config = {"ops": {op.name: {"config": config}}} if config else {}
    with dg.DagsterInstance.ephemeral() as instance:
        return definition.execute_in_process(run_config, instance=instance, raise_on_error=False)


def other_version(home: Home) -> str:
    """A registered version that is not the champion."""
    champion = home.tracking().champion()
    return next(v.version for v in home.tracking().versions() if v.version != champion)


@pytest.mark.parametrize("starts", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_promotion_by_hand_is_served_and_can_be_taken_back(
    home: Home, starts: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it `starts`, with a Bento that is built and asked; without it that takes a tenth of the time."""
    if not starts:
        answer_at_once(by_hand, monkeypatch)
    first, version = read_pointer(home.pointer_file), other_version(home)
    config = {"version": version, "by": "Ada", "reason": "the old one shows withdrawn games"}
    assert job("promote", home, config).success
    now = read_pointer(home.pointer_file)
    assert now.version == version == home.tracking().champion()
    assert now.reason == "promoted by Ada: the old one shows withdrawn games"
    assert bundle_hash(now.folder(home.pointer_file)) == now.bundle_hash
    tables = home.champions().history()[-1].tables
    assert tables["sequences"] == home.lake().current("sequences").fingerprint
    assert answer(["rollback"]) == 0
    assert capsys.readouterr().out == f"The champion is version {first.version} again.\n"
    assert not job("rollback", home).success  # there is nothing before the first


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["1", "--by", "", "--reason", "why"], "needs who and why"),
        (["1", "--by", "Ada", "--reason", " "], "needs who and why"),
        (["99", "--by", "Ada", "--reason", "why"], "There is no version 99"),
        (["../1", "--by", "Ada", "--reason", "why"], r"There is no version ../1"),
    ],
)
def test_a_promotion_that_makes_no_sense_is_one_sentence(
    home: Home, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = home.pointer_file.read_bytes()
    assert answer(["promote", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert home.pointer_file.read_bytes() == before


def test_a_bundle_that_breaks_its_golden_promise_is_not_promoted(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    good = home.champions().folder(read_pointer(home.pointer_file))
    bad = shutil.copytree(good, home.folder("bundles") / "gru4rec-0000000000000000")
    golden = json.loads((bad / "golden.json").read_text())
    golden[-1]["scores"][0] += 1.0
    (bad / "golden.json").write_text(json.dumps(golden))
    assert read_golden(bad)
    tracking, digest = home.tracking(), bundle_hash(bad)
    with tracking.run(read_manifest(bad).architecture, "bad") as run:
        run.model(bad)
    version = tracking.register(run.run_id, digest, "tampered with")
    before, alias = home.pointer_file.read_bytes(), tracking.champion()
    assert answer(["promote", version, "--by", "Ada", "--reason", "why"]) == 1
    assert "does not give the answers that the trained model gave" in capsys.readouterr().err
    assert home.pointer_file.read_bytes() == before and tracking.champion() == alias
    shutil.rmtree(bad)
    assert answer(["promote", version, "--by", "Ada", "--reason", "why"]) == 1
    assert "is gone or damaged" in capsys.readouterr().err


def test_a_damaged_pointer_is_said_and_rollback_sets_it_again(home: Home) -> None:
    first = read_pointer(home.pointer_file)
    home.pointer_file.write_text("{half")
    told = read_status(Settings(home=Path(home.path)), home)
    assert told.champion is None and "cannot be understood" in told.attention[0]
    assert answer(["rollback"]) == 0
    again = read_pointer(home.pointer_file)
    assert replace(again, promoted_at=0, reason="") == replace(first, promoted_at=0, reason="")


def test_status_says_who_is_champion_why_and_what_is_there(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(["status", "--json"]) == 0
    told, pointer = json.loads(capsys.readouterr().out), read_pointer(home.pointer_file)
    assert told["champion"]["version"] == pointer.version
    assert told["champion"]["why"] == pointer.reason and told["before"] == []
    assert told["attention"] == []
    assert {v["version"] for v in told["versions"]} == {v.version for v in home.tracking().versions()}
    on_disk = sum(f.stat().st_size for f in home.folder("bundles").rglob("*") if f.is_file())
    assert told["sizes"]["bundles"] == on_disk and set(told["sizes"]) >= {"lake", "mlflow", "checkpoints"}
    assert job("status", home).success


def test_status_names_what_is_stale_or_wrong(home: Home) -> None:
    pointer = read_pointer(home.pointer_file)
    old = replace(pointer, promoted_at=pointer.promoted_at - 40 * 86_400)
    home.pointer_file.write_text(old.to_json())
    home.tracking().set_champion(other_version(home))
    told = read_status(Settings(home=Path(home.path)), home).attention
    assert len(told) == 2 and "40 days old" in told[0] and "the pointer is what serves" in told[1]
    (pointer.folder(home.pointer_file) / "model.onnx").write_bytes(b"damaged")
    told = read_status(Settings(home=Path(home.path)), home).attention
    assert "missing or damaged: make run or make rollback" in told[1]


def test_status_asks_the_mlflow_that_the_environment_names(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = {version.version for version in home.tracking().versions()}
    shutil.move(home.folder("mlflow") / "mlflow.db", tmp_path / "shared.db")
    monkeypatch.setenv("NEXTPLAY_MLFLOW_URI", f"sqlite:///{tmp_path / 'shared.db'}")
    told = read_status(Settings(home=Path(home.path)), home)
    assert told.attention == [] and {version.version for version in told.versions} == registered


def test_mlflows_page_is_of_the_store_that_is_used_and_no_argument_names_it(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started = list[tuple[str, ...]]()
    monkeypatch.setattr(servers, "become", lambda *given: started.append(given))
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.setenv("MLFLOW_BACKEND_STORE_URI", "")  # undone later, whatever the command sets
    own = home.folder("mlflow") / "mlflow.db"
    assert answer(["mlflow", "--port", "0"]) == 0
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{own}"

    shared = f"sqlite:///{shutil.move(own, tmp_path / 'shared.db')}"
    monkeypatch.setenv("NEXTPLAY_MLFLOW_URI", shared)
    assert answer(["mlflow", "--port", "0"]) == 0
    assert os.environ["MLFLOW_BACKEND_STORE_URI"] == shared and "shared.db" not in str(started)
    assert len(started) == 2

    monkeypatch.setenv("NEXTPLAY_MLFLOW_URI", "http://me:hidden@mlflow:5000")
    assert answer(["mlflow", "--port", "0"]) == 1
    told = capsys.readouterr().err
    assert "open its address" in told and "hidden" not in told and len(started) == 2


def test_status_does_not_wait_for_an_mlflow_that_is_away(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "ANSWER_WITHIN_S", 2.0)
    monkeypatch.setattr("assets.tracking.patience.PATIENCE_S", 0.1)  # of the thread that goes on asking
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("NEXTPLAY_MLFLOW_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        told = read_status(Settings(home=Path(home.path)), home)
    assert told.champion is not None and told.versions == []
    assert len(told.attention) == 1 and told.attention[0].startswith("MLflow does not answer")


def test_status_of_an_empty_home_says_what_to_do(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    page = rendered(read_status(Settings(home=tmp_path), home), colour=False)
    assert "Champion  none" in page and "There is no champion yet: make run." in page
