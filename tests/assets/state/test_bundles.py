"""Bundles appear whole or not at all, once for what they are made from."""

import json
from pathlib import Path

import pytest

from assets.state.bundles import BundleStore, MissingBundleError


def test_a_bundle_is_written_once_and_becomes_current(tmp_path: Path) -> None:
    store, written = BundleStore(tmp_path), []

    def write(folder: Path) -> None:
        written.append(folder)
        (folder / "weights").write_bytes(b"1")

    first = store.publish("sasrec", "a" * 64, write)
    assert store.publish("sasrec", "a" * 64, write) == first == store.current("sasrec")
    assert len(written) == 1 and (first / "weights").read_bytes() == b"1"


def test_an_interrupted_write_leaves_the_old_bundle_and_is_cleaned_up(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    old = store.publish("sasrec", "a" * 64, lambda folder: (folder / "weights").touch())

    def interrupted(folder: Path) -> None:
        (folder / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.publish("sasrec", "b" * 64, interrupted)
    assert store.current("sasrec") == old and store.find("sasrec", "b" * 64) is None
    new = store.publish("sasrec", "b" * 64, lambda folder: (folder / "weights").touch())
    assert [path.name for path in new.iterdir()] == ["weights"]


def test_going_back_to_earlier_inputs_makes_the_earlier_bundle_current(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    first = store.publish("sasrec", "a" * 64, lambda folder: (folder / "weights").touch())
    store.publish("sasrec", "b" * 64, lambda folder: (folder / "weights").touch())
    assert store.publish("sasrec", "a" * 64, lambda _: pytest.fail("it is there")) == first
    assert store.current("sasrec") == first


def test_a_missing_bundle_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingBundleError, match="no bundle of sasrec yet"):
        BundleStore(tmp_path).current("sasrec")


def test_a_withdrawn_bundle_is_current_no_more_and_can_come_back(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    folder = store.publish("ease", "a" * 64, lambda made: (made / "x").write_text("1"))
    assert store.has("ease")
    store.withdraw("ease")
    store.withdraw("ease")  # twice does no harm
    assert not store.has("ease") and folder.exists()
    assert store.publish("ease", "a" * 64, lambda made: None) == folder == store.current("ease")


def test_a_bundle_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("1")
        raise ValueError("too large")

    with pytest.raises(ValueError, match="too large"):
        BundleStore(tmp_path).publish("ease", "a" * 64, fail)
    assert list(tmp_path.iterdir()) == []


def test_of_a_bundle_that_was_removed_nothing_is_noted(tmp_path: Path) -> None:
    store = BundleStore(tmp_path)
    folders = [store.publish("sasrec", of * 64, lambda made: (made / "x").write_text("1")) for of in "ab"]
    (folders[1] / "x").write_text("2")  # damaged: it is made again, and still known
    store.publish("sasrec", "b" * 64, lambda made: (made / "x").write_text("1"))
    store.remove(folders[0])
    assert json.loads((tmp_path / "hashes.json").read_text()).keys() == {folders[1].name}
    assert store.is_whole(folders[1])
