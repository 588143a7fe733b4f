"""The champion's files change as one: a kill at any write leaves all of a change or nothing of it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.state import champions, change
from assets.state.champions import Anchor, Champions
from assets.state.files import replace_text
from models.bundle.bundle import BundleError
from serving.state.pointer import Pointer, read_pointer

WRITES = ("change.json", "history.json", "past.json", "anchor.json", "pointer.json")


class Killed(BaseException):
    """As by SIGKILL: nothing catches it."""


def named(number: int) -> Pointer:
    return Pointer(f"../bundles/{number}", str(number), f"{number:064}", float(number), "better")


def succession(folder: Path) -> Champions:
    """Three champions, an anchor, and MLflow's alias as a file."""
    folder.mkdir(parents=True, exist_ok=True)
    found = champions_in(folder)
    for number in (1, 2, 3):
        found.crown(named(number), {"items": str(number)})
    found.set_anchor(Anchor("1", "hash", 1.0))
    return found


def champions_in(folder: Path) -> Champions:
    return Champions(folder / "pointer.json", tell=lambda to: (folder / "alias").write_text(to.version))


def state(folder: Path) -> dict[str, object]:
    """Everything that a change moves, as versions."""
    found = Champions(folder / "pointer.json")
    return {
        "pointer": found.current().version,
        "past": [pointer.version for pointer in found.past()],
        "history": [reign.pointer.version for reign in found.history()],
        "anchor": found.anchor(),
        "alias": (folder / "alias").read_text(),
    }


def go_back(found: Champions) -> None:
    found.restore(named(2), found.past()[:-1], {})


def crown_by_hand(found: Champions) -> None:
    found.crown(named(4), {}, by_hand=True)


@pytest.mark.parametrize("act", [go_back, crown_by_hand])
@pytest.mark.parametrize("at", [*WRITES, "alias"])
def test_a_kill_at_any_write_is_finished_by_the_next_or_never_was(
    act: Callable[[Champions], None], at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(succession(tmp_path / "whole"))
    whole, home = state(tmp_path / "whole"), tmp_path / "killed"
    before = succession(home)
    untouched = state(home)

    def dies(path: Path, text: str) -> None:
        if path.name == at:
            raise Killed
        replace_text(path, text)

    def dies_telling(_: Pointer) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(change, "replace_text", dies)
        act(Champions(home / "pointer.json", tell=dies_telling) if at == "alias" else before)
    finished = champions_in(home).finish()
    assert (finished is None) == (at == "change.json")
    assert state(home) == (untouched if at == "change.json" else whole)
    assert champions_in(home).finish() is None


def test_every_write_of_a_change_is_among_those_that_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, seen = succession(tmp_path), list[str]()

    def watched(path: Path, text: str) -> None:
        seen.append(path.name)
        replace_text(path, text)

    monkeypatch.setattr(change, "replace_text", watched)
    monkeypatch.setattr(champions, "replace_text", watched)
    go_back(found)
    assert tuple(seen) == WRITES
    assert not (tmp_path / "change.json").exists()


def test_a_change_that_fits_no_more_is_dropped(tmp_path: Path) -> None:
    """Another machine, or another release, has set a champion since."""
    found = succession(tmp_path)
    left = change.Change(named(2), [], [], False, True, before=change.stamp(tmp_path / "pointer.json"))
    found.crown(named(5), {})
    left_behind = {**vars(left), "pointer": vars(left.pointer)}
    (tmp_path / "change.json").write_text(json.dumps(left_behind))
    now = state(tmp_path)
    assert found.finish() is None
    assert state(tmp_path) == now and not (tmp_path / "change.json").exists()


@pytest.mark.parametrize("garbage", ["", "{half", "[]", "{}", '{"pointer": 3}', "null"])
def test_a_change_that_cannot_be_read_is_left_out(garbage: str, tmp_path: Path) -> None:
    found = succession(tmp_path)
    now = state(tmp_path)
    (tmp_path / "change.json").write_text(garbage)
    assert found.finish() is None
    assert state(tmp_path) == now


@pytest.mark.parametrize("garbage", ["", "{half", '{"a": 1}', "[1]", '[{"pointer": {}}]', '[{"bundle": 3}]'])
@pytest.mark.parametrize("name", ["past.json", "history.json"])
def test_a_damaged_list_is_one_sentence(name: str, garbage: str, tmp_path: Path) -> None:
    found = succession(tmp_path)
    (tmp_path / name).write_text(garbage)
    with pytest.raises(BundleError, match=f"{name} is damaged: restore it from a backup"):
        found.past() if name == "past.json" else found.history()
    assert read_pointer(tmp_path / "pointer.json").version == "3"


@pytest.mark.parametrize("last_served", ["now", None, [], float("nan")])
@pytest.mark.parametrize("bundle", ["a", 3, None])
def test_an_anchor_that_is_none_is_left_out(bundle: object, last_served: object, tmp_path: Path) -> None:
    found = succession(tmp_path)
    anchor = {"bundle": bundle, "bundle_hash": "0" * 64, "last_served": last_served}
    (tmp_path / "anchor.json").write_text(json.dumps(anchor))
    assert found.anchor() is None
    (tmp_path / "anchor.json").write_text(json.dumps(anchor | {"bundle": "a", "last_served": 1.5}))
    assert found.anchor() == Anchor("a", "0" * 64, 1.5)


def test_the_history_of_many_years_is_read(tmp_path: Path) -> None:
    """Three thousand champions: more than is read of a file that people write."""
    found = succession(tmp_path)
    for name in ("history.json", "past.json"):
        path = tmp_path / name
        path.write_text(path.read_text() + " " * (17 << 20))
    assert [reign.pointer.version for reign in found.history()] == ["1", "2", "3"]
    assert [pointer.version for pointer in found.past()] == ["1", "2"]
    found.crown(named(4), {})
    assert found.current().version == "4" and found.finish() is None
