"""A night's own search for settings: made once, kept, used until the data change much."""

import json
import logging
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from assets.resources import Home, Training
from assets.training import found as module
from assets.training import networks, tuning
from assets.training.bundling import TrainingData, load_training_data
from assets.training.found import Found, found_settings
from assets.training.tuning import Best, OtherSearchError, TuningError
from models.bundle.bundle import read_manifest
from tests.assets.training.test_networks import train_in
from tests.support.homes import metadata
from tests.support.runs import FinishedRun

LOG = logging.getLogger(__name__)
NIGHT = Training(search_minutes=6.0, changes={"epochs": 2}, progress=False)
BETTER = Best({"dropout": 0.11}, 0.3, 0.2, 7, sure=True)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was searched for, and for how many minutes; each search finds BETTER."""
    calls: list[Any] = []

    def tune(_: Home, name: str, *, minutes: float, in_all: bool, **__: Any) -> Best:
        calls.append((name, minutes, in_all))
        return BETTER

    monkeypatch.setattr(module, "tune", tune)
    monkeypatch.setattr(module, "require_optuna", lambda: None)
    return calls


@pytest.fixture
def data(tiny_run: FinishedRun) -> TrainingData:
    return load_training_data(tiny_run.home.lake(), "sample")


def search(home: Home, data: TrainingData, training: Training = NIGHT, *names: str) -> dict[str, Found]:
    return found_settings(home, names or ("gru4rec", "sasrec"), data, training, LOG)


def fewer(data: TrainingData, share: float) -> TrainingData:
    rows = np.arange(int(share * len(data.split.train)))
    return replace(data, split=replace(data.split, train=data.split.train.rows(rows)))


def test_nothing_is_searched_for_or_used_without_minutes(
    empty_home: Home, data: TrainingData, asked: list[Any]
) -> None:
    assert search(empty_home, data)
    assert search(empty_home, data, Training()) == {} and len(asked) == 2


def test_networks_share_the_minutes_once_and_what_was_found_is_used_on_data_like_these(
    empty_home: Home, data: TrainingData, asked: list[Any]
) -> None:
    first = search(empty_home, data)
    assert asked == [("gru4rec", 3.0, True), ("sasrec", 3.0, True)]
    assert search(empty_home, fewer(data, 0.8)) == first and len(asked) == 2
    assert first["sasrec"].before(NIGHT).changes == {"dropout": 0.11, "epochs": 2}
    assert "trained with" in str(first["sasrec"]) and "0.3000" in str(first["sasrec"])


@pytest.mark.parametrize("changed", ["sizes", "source", "split", "settings"])
def test_much_that_changes_asks_for_another_search(
    empty_home: Home, data: TrainingData, asked: list[Any], changed: str
) -> None:
    search(empty_home, data)
    other, night = data, NIGHT
    if changed == "sizes":
        other = fewer(data, 0.5)
    elif changed == "source":
        other = replace(data, source="table")
    elif changed == "split":
        other = replace(data, split=replace(data.split, name="temporal of another kind"))
    else:
        night = NIGHT.model_copy(update={"changes": {"epochs": 3}})
    search(empty_home, other, night)
    assert len(asked) == 4


def test_what_a_run_sets_comes_before_what_was_found(
    empty_home: Home, data: TrainingData, asked: list[Any]
) -> None:
    own = Training(search_minutes=1.0, changes={"dropout": 0.4}, progress=False)
    assert search(empty_home, data, own, "sasrec")["sasrec"].before(own).changes == {"dropout": 0.4}
    assert asked


def test_what_may_be_chance_changes_nothing(
    empty_home: Home, data: TrainingData, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "tune", lambda *_, **__: replace(BETTER, sure=False))
    found = search(empty_home, data, NIGHT, "sasrec")["sasrec"]
    assert found.changes == {} and "so they stay" in str(found) and not asked


def test_a_night_goes_on_with_the_defaults_while_another_search_works(
    empty_home: Home,
    data: TrainingData,
    asked: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def busy(*_: Any, **__: Any) -> Best:
        raise OtherSearchError("wait")

    monkeypatch.setattr(module, "tune", busy)
    assert search(empty_home, data, NIGHT, "sasrec") == {} and not asked
    assert "sasrec is trained with the defaults: another search works in this home." in caplog.text


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"sasrec": {}}', '{"sasrec": 1}', '{"sasrec": {"best": {"changes": {"no": 1}}}}']
)
def test_a_file_that_cannot_be_read_is_made_anew(
    empty_home: Home, data: TrainingData, asked: list[Any], text: str
) -> None:
    file = empty_home.folder("tuning") / "found.json"
    file.write_text(text)
    search(empty_home, data, NIGHT, "sasrec")
    assert len(asked) == 1 and json.loads(file.read_text())["sasrec"]["best"] == asdict(BETTER)


def test_settings_that_are_none_any_more_are_searched_for_anew(
    empty_home: Home, data: TrainingData, asked: list[Any]
) -> None:
    old = Found(replace(BETTER, changes={"no": 1}), NIGHT.changes, module.facts(data), module.sizes(data))
    file = empty_home.folder("tuning") / "found.json"
    file.write_text(json.dumps({"sasrec": asdict(old)}))
    assert search(empty_home, data, NIGHT, "sasrec")["sasrec"].changes == BETTER.changes and asked


def test_without_optuna_a_night_that_should_search_says_so(
    empty_home: Home, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(TuningError, match="Optuna is not installed"):
        search(empty_home, data)


def test_the_asset_trains_with_what_was_found_and_shows_it(
    home: Home, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Found(BETTER, {}, module.facts(data), module.sizes(data))
    monkeypatch.setattr(networks, "found_settings", lambda *_: {"sasrec": found})
    told = metadata(train_in(home, "sasrec"), "sasrec")
    assert told["search for settings"] == str(found)
    assert read_manifest(home.bundles().current("sasrec")).config["network"]["dropout"] == 0.11


def test_ranks_say_whether_a_trial_is_surely_better(empty_home: Home, data: TrainingData) -> None:
    kept, n = tuning._Ranks(empty_home, "study"), len(data.split.validation)
    for trial, ranks in enumerate([np.full(n, 3), np.full(n, 1), np.r_[1, 9, np.full(n - 2, 3)]]):
        np.save(kept._file(trial), ranks)
    assert kept.surely_better(1, 0, data)
    assert not kept.surely_better(2, 0, data) and not kept.surely_better(0, 0, data)
    assert not kept.surely_better(5, 0, data)
