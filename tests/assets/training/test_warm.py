"""A night may start from the one before, where nothing that it judges has been learned from."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences
from assets.state.bundles import HASHES_FILE
from assets.training.bundling import full_epochs, load_training_data, start_from, write_candidate
from assets.training.refit import write_refit
from assets.training.refit_trial import try_refit
from assets.training.warm import (
    AUTO,
    LONG_POSITIONS,
    MOST_NIGHTS,
    NO,
    YES,
    Learned,
    Starts,
    pays,
    strangers,
)
from models.bundle.bundle import ITEM_EMBEDDINGS, MANIFEST_FILE, WEIGHTS_FILE, bundle_hash, read_manifest
from models.config import TrainConfig
from models.data import Sequences
from models.training.start import POSITIONS, StartError, short
from models.training.steps import build_network
from models.training.train import train
from pipelines.apart import run_apart
from pipelines.operator.cli import answer
from pipelines.resources import Settings
from serving.state.event_stores import open_event_store
from serving.state.events import Play
from tests.assets.training.test_refit import CONFIG, N_ITEMS, data
from tests.support.runs import TINY

Plays = dict[str, list[str]]  # of each user


def learned(plays: Plays, order: Sequence[str] = "abcdefgh") -> Learned:
    rows = [[1 + order.index(item) for item in items] for items in plays.values()]
    users = np.array(list(plays), dtype=np.str_)
    return Learned(Sequences.from_lists(rows, len(order)), users, ["", *order])


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"u": ["a", "b"]}, {"u": ["a", "b", "c"]}, 0),
        ({"u": ["a", "b", "c"]}, {"u": ["a", "b"]}, 1),  # the last one is held out: an earlier cut
        ({"u": ["a"], "v": ["b", "c"]}, {"u": ["a", "d"]}, 2),  # who was forgotten
        ({"u": ["a", "b"]}, {"u": ["b", "h", "a"]}, 0),  # another order
        ({"u": ["a", "b"]}, {"v": ["a", "b"], "u": ["a", "c"]}, 1),  # another user's play is no comfort
        ({"u": ["a", "a", "b"]}, {"u": ["a", "b", "c"]}, 1),  # once of twice
        ({"u": ["a"]}, {"u": []}, 1),
        ({}, {"u": ["a"]}, 0),
        ({"u": ["a"]}, {}, 1),
    ],
)
def test_strangers_are_plays_that_are_not_learned_from_tonight(
    before: Plays, now: Plays, expected: int
) -> None:
    assert strangers(learned(before), learned(now)) == expected
    assert strangers(learned(before), learned(now, "hgfedcba")) == expected


nights = st.dictionaries(st.sampled_from("uvwx"), st.lists(st.sampled_from("abcd"), max_size=5))


@given(nights, nights)
def test_strangers_by_counting(before: Plays, now: Plays) -> None:
    counted = sum(
        max(0, items.count(item) - now.get(user, []).count(item))
        for user, items in before.items()
        for item in set(items)
    )
    assert strangers(learned(before), learned(now)) == counted


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The judged bundle of the night before."""
    folder = tmp_path_factory.mktemp("last")
    write_candidate(folder, "sasrec", data()[0], CONFIG)
    return folder


def test_items_are_carried_over_by_id_and_positions_from_the_newest(last: Path) -> None:
    judged = data()[0]
    ids = ["", "new", *reversed(judged.items.ids[1:])]
    items = replace(judged.items, ids=ids, titles=ids, counts=np.ones(len(ids), np.int64), attributes={})
    plays = Sequences(judged.split.train.items, judged.split.train.offsets, N_ITEMS + 1)
    for length in (10, 12, 14):
        config = CONFIG.with_changes(max_length=length)
        torch.manual_seed(1)
        network = build_network("sasrec", replace(judged.split, train=plays), config)
        fresh = {name: value.clone() for name, value in network.state_dict().items()}
        start_from(last, items).fill(network)
        filled, old = network.state_dict(), load_file(last / WEIGHTS_FILE)
        assert torch.equal(filled[ITEM_EMBEDDINGS][1], fresh[ITEM_EMBEDDINGS][1])
        assert torch.equal(filled[ITEM_EMBEDDINGS][2:], old[ITEM_EMBEDDINGS][1:].flip(0))
        both = min(length, 12)
        assert torch.equal(filled[POSITIONS][-both:], old[POSITIONS][-both:])
        assert torch.equal(filled[POSITIONS][:-both], fresh[POSITIONS][:-both])
        assert all(torch.equal(filled[name], old[name]) for name in old if name.startswith("blocks"))


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [("gru4rec", {}, "other parts"), ("sasrec", {"width": 8}, "another shape")],
)
def test_another_network_is_no_start(name: str, changes: dict[str, int], told: str, last: Path) -> None:
    judged = data()[0]
    network = build_network(name, judged.split, CONFIG.with_changes(**changes))
    with pytest.raises(StartError, match=told):
        start_from(last, judged.items).fill(network)


def test_a_warm_training_is_short_and_says_what_it_started_from(last: Path, tmp_path: Path) -> None:
    for folder in (tmp_path / "one", tmp_path / "other"):
        write_candidate(folder, "sasrec", data()[0], CONFIG, start=last)
    made, before = read_manifest(tmp_path / "one"), read_manifest(last)
    assert (made.started_from, made.warm_nights) == (bundle_hash(last), 1)
    assert made.config == before.config  # of a training from nothing, for a refit and the next night
    assert made.metrics["ndcg@10"] > before.metrics["ndcg@10"] * 0.99
    assert full_epochs(tmp_path / "one") == CONFIG.epochs != short(CONFIG).epochs
    assert (tmp_path / "one" / "curve.json").read_text().count("epoch") <= short(CONFIG).epochs == 3
    assert bundle_hash(tmp_path / "one") == bundle_hash(tmp_path / "other")


def test_a_start_stands_where_no_epoch_is_better(last: Path) -> None:
    judged = data()[0]
    start = start_from(last, judged.items)
    wild = CONFIG.with_changes(learning_rate=30.0, embedding_learning_rate=30.0, epochs=3, patience=2)
    made = train("sasrec", judged.split, wild, start=start)
    assert (made.best_epoch, len(made.curve)) == (0, 2), "and training stops when patience ends"
    assert made.metrics["ndcg@10"] > max(report.ndcg for report in made.curve)
    kept, old = made.network.state_dict(), load_file(last / WEIGHTS_FILE)
    assert all(torch.equal(kept[name], old[name]) for name in old)
    tame = train("sasrec", judged.split, CONFIG.with_changes(epochs=2), start=start)
    assert tame.metrics["ndcg@10"] >= made.metrics["ndcg@10"]


def test_a_refit_takes_its_last_epoch_whatever_validation_would_say(last: Path) -> None:
    judged = data()[0]
    wild = CONFIG.with_changes(learning_rate=3.0, embedding_learning_rate=3.0, exact_epochs=1)
    made = train("sasrec", judged.split, wild, start=start_from(last, judged.items))
    assert (made.best_epoch, made.metrics) == (1, made.curve[0].metrics)


def test_a_checkpoint_belongs_to_its_start(last: Path, tmp_path: Path) -> None:
    judged, config = data()[0], CONFIG.with_changes(epochs=1)
    train("sasrec", judged.split, config, checkpoint_folder=tmp_path)
    with pytest.warns(UserWarning, match="other data or other settings"):
        warmer = train(
            "sasrec", judged.split, config, checkpoint_folder=tmp_path,
            start=start_from(last, judged.items),
        )  # fmt: skip
    assert warmer.curve[0].loss < train("sasrec", judged.split, config).curve[0].loss


def test_a_warm_refit_goes_on_from_its_twin(last: Path, tmp_path: Path) -> None:
    write_refit(tmp_path, last, data()[1], warm=True)
    refit, twin = read_manifest(tmp_path), read_manifest(last)
    assert refit.started_from == refit.twin == bundle_hash(last)
    assert (refit.config, refit.metrics) == (twin.config, twin.metrics)
    test = data()[0].split.test
    assert not try_refit(tmp_path, last, test, 0.05).faults


@pytest.mark.parametrize(
    ("wanted", "changes", "plays", "expected"),
    [
        (AUTO, {}, LONG_POSITIONS // CONFIG.epochs, False),
        (AUTO, {}, LONG_POSITIONS // CONFIG.epochs + 1, True),
        (YES, {}, 1, True),
        (NO, {}, LONG_POSITIONS, False),
        (YES, {"content": 5.0}, LONG_POSITIONS, False),  # a bundle has its sum with the plays' part alone
        (YES, {"codes": True}, LONG_POSITIONS, False),
        (YES, {"processes": 2}, LONG_POSITIONS, False),
        (YES, {"exact_epochs": 4}, LONG_POSITIONS, False),
    ],
)
def test_where_a_start_pays(wanted: str, changes: dict[str, Any], plays: int, expected: bool) -> None:
    assert pays(wanted, CONFIG.with_changes(**changes), plays) == expected


class Tonight:
    """Plays that are new, and a home whose bundles are of the night before."""

    def __init__(self, home: Home) -> None:
        self.home, self.told = home, list[str]()
        tables = load_training_data(home.lake(), "sample")
        self.data = replace(tables, fingerprint="of tonight")
        self.bundle = home.bundles().current("sasrec")
        self.config = TrainConfig.from_dict(read_manifest(self.bundle).config)

    def start(self, **changes: Any) -> Path | None:
        self.told.clear()
        starts = Starts(self.home, self.data, YES, self.told.append)
        return starts.of("sasrec", self.config.with_changes(**changes))

    def rewrite(self, **values: Any) -> None:
        manifest = json.loads((self.bundle / MANIFEST_FILE).read_text())
        (self.bundle / MANIFEST_FILE).write_text(json.dumps(manifest | values))
        self.note()

    def note(self) -> None:
        """The bundle as it is now counts as whole."""
        noted = self.bundle.parent / HASHES_FILE
        hashes = json.loads(noted.read_text()) | {self.bundle.name: bundle_hash(self.bundle)}
        noted.write_text(json.dumps(hashes))


@pytest.fixture
def tonight(home: Home) -> Tonight:
    return Tonight(home)


def test_last_nights_bundle_is_the_start(tonight: Tonight) -> None:
    assert tonight.start() == tonight.bundle and not tonight.told
    assert tonight.start(epochs=50, max_length=20, threads=2) == tonight.bundle


def test_a_second_run_of_a_night_starts_where_the_first_did(tonight: Tonight) -> None:
    """So it finds what that has made, and trains nothing."""
    tonight.data = load_training_data(tonight.home.lake(), "sample")
    assert tonight.start() is None and not tonight.told  # the first has trained it from nothing
    before = tonight.home.bundles().current("gru4rec")
    tonight.rewrite(started_from=bundle_hash(before))
    assert Starts(tonight.home, tonight.data, YES)._last_night("sasrec") == before


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"source": "steam"}, "of another source"),
        ({"exclude_seen": False}, "has other answers"),
        ({"warm_nights": MOST_NIGHTS}, f"{MOST_NIGHTS} nights in a row"),
        ({"data_fingerprint": "gone"}, "are gone"),
        ({"config": {"no such": 1}}, "the settings have changed"),
    ],
)
def test_what_speaks_against_it_is_said(tonight: Tonight, values: dict[str, Any], told: str) -> None:
    tonight.rewrite(**values)
    assert tonight.start() is None
    (line,) = tonight.told
    assert line.startswith("sasrec is trained from nothing: ") and told in line and line.endswith(".")


def test_damaged_weights_are_no_start(tonight: Tonight) -> None:
    weights = bytearray((tonight.bundle / WEIGHTS_FILE).read_bytes())
    weights[-3] ^= 1
    (tonight.bundle / WEIGHTS_FILE).write_bytes(weights)
    assert tonight.start() is None
    assert tonight.told == ["sasrec is trained from nothing: the last night's bundle is damaged."]


@pytest.mark.parametrize("change", [{"dropout": 0.31}, {"seed": 5}, {"learning_rate": 1e-4}])
def test_changed_settings_start_from_nothing(tonight: Tonight, change: dict[str, Any]) -> None:
    assert tonight.start(**change) is None
    assert tonight.told == ["sasrec is trained from nothing: the settings have changed since the last night."]


def without_a_user(train: Sequences) -> Sequences:
    lengths = train.lengths
    lengths[0] = 0
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    return Sequences(train.items[train.lengths[0] :], offsets, train.n_items)


def without_the_newest(train: Sequences) -> Sequences:
    kept = (
        np.repeat(train.lengths, train.lengths)
        > np.arange(len(train.items)) - np.repeat(train.offsets[:-1], train.lengths) + 1
    )
    return Sequences(
        train.items[kept], np.append(0, np.cumsum(train.lengths - 1)).astype(np.int64), train.n_items
    )


@pytest.mark.parametrize("fewer", [without_a_user, without_the_newest])
def test_who_was_forgotten_and_what_is_held_out_tonight_is_in_no_start(
    tonight: Tonight, fewer: Callable[[Sequences], Sequences]
) -> None:
    learned = tonight.data.split.train
    tonight.data = replace(tonight.data, split=replace(tonight.data.split, train=fewer(learned)))
    assert tonight.start() is None
    gone = len(learned.items) - len(fewer(learned).items)
    assert f"{gone:,} plays that the last night's bundle has learned from are not" in tonight.told[0]


def test_where_nothing_was_made_yet_nothing_is_said(tmp_path: Path, tonight: Tonight) -> None:
    starts = Starts(Home(path=str(tmp_path / "empty")), tonight.data, YES, tonight.told.append)
    assert starts.of("sasrec", CONFIG) is None and not tonight.told


def night(home: Home) -> dict[str, Path]:
    """Trains what there is to train, warm; the bundles of the networks."""
    settings = Settings(home=Path(home.path), warm_start=YES, **TINY)
    assert run_apart(settings, until=["gru4rec", "sasrec"]) is None
    return {name: home.bundles().current(name) for name in ("gru4rec", "sasrec")}


def play(home: Home, users: Sequence[str]) -> None:
    """Each plays once more, what they have not played yet."""
    (sequences, known), items = load_sequences(home.lake()), load_items(home.lake())
    store = open_event_store(home.events_file)
    for number, user in enumerate(users):
        played = set(sequences.user(int(np.flatnonzero(known == user)[0])).tolist())
        item = next(i for i in range(1, items.n_items + 1) if i not in played)
        store.add([[Play(f"{user}-{number}-{item}", user, items.ids[item])]])
    store.close()


@pytest.mark.slow
def test_nights_go_on_from_each_other_until_somebody_is_forgotten(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.setenv("NEXTPLAY_PROGRESS", "false")
    first = {name: home.bundles().current(name) for name in ("gru4rec", "sasrec")}
    users = load_sequences(home.lake())[1]
    play(home, users[:20].tolist())
    second = night(home)
    for name, folder in second.items():
        manifest = read_manifest(folder)
        assert (manifest.started_from, manifest.warm_nights) == (bundle_hash(first[name]), 1)
    assert night(home) == second, "a second run of the night trains nothing"
    play(home, users[20:40].tolist())
    third = night(home)
    assert read_manifest(third["sasrec"]).warm_nights == 2

    version = home.tracking().version_of(bundle_hash(third["sasrec"]))
    assert version and answer(["reproduce", version]) == 0
    assert "came out equal" in capsys.readouterr().out
    home.bundles().remove(second["sasrec"])
    assert answer(["reproduce", version]) == 1
    assert "which is gone; NEXTPLAY_KEEP_CANDIDATES keeps more." in capsys.readouterr().err

    store = open_event_store(home.events_file)
    store.forget(str(users[0]))
    store.close()
    fourth = read_manifest(night(home)["sasrec"])
    assert (fourth.started_from, fourth.warm_nights) == ("", 0)
