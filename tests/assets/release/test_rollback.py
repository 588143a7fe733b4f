"""The way back is looked at before it is taken: a champion that could not serve is passed over, and told."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.release.promotion import PromotionError, rollback
from assets.resources import Home
from assets.state.champions import Champions
from models.bundle.bundle import bundle_hash
from pipelines.operator.cli import answer
from serving.state.pointer import Pointer, read_pointer
from tests.support.champions import succession
from tests.support.once import made_once


@pytest.fixture
def four(mlflow_folder: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Home:
    """A home with the champions 1 to 4, made once and copied."""
    made = made_once(tmp_path_factory, "four", lambda to: succession(to / "home", mlflow_folder, 4))
    return Home(path=shutil.copytree(made / "home", str(tmp_path / "four")))


def champion(home: Home) -> str:
    """The version that the pointer names, which MLflow knows too."""
    version = read_pointer(home.pointer_file).version
    assert home.tracking().champion() == version
    return version


def bundle_of(home: Home, version: str) -> Path:
    return next(
        home.champions().folder(reign.pointer)
        for reign in home.champions().history()
        if reign.pointer.version == version
    )


def flip(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)


def without_items(folder: Path) -> None:
    (folder / "items.json").unlink()


def half_the_weights(folder: Path) -> None:
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(weights[: len(weights) // 2])


def of_another(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"n_items": 3}))


def with_a_file_more(folder: Path) -> None:
    (folder / "more.txt").write_text("not ours")


DAMAGES = [flip, without_items, half_the_weights, of_another, with_a_file_more, shutil.rmtree]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_target_is_passed_over_and_told(
    damage: Callable[[Path], object], four: Home, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    damage(bundle_of(four, "3"))
    monkeypatch.setenv("NEXTPLAY_HOME", four.path)
    assert answer(["rollback"]) == 0
    told = capsys.readouterr().out
    assert "Version 3 is passed over: the bundle" in told and "The champion is version 2 again." in told
    assert champion(four) == "2"
    assert read_pointer(four.pointer_file).reason == (
        "rolled back from version 4, past version 3, which cannot serve"
    )
    assert [pointer.version for pointer in four.champions().past()] == ["1"]
    assert rollback(four).version == "1"


def rewrite(home: Home, version: str, change: Callable[[Path], object]) -> None:
    """Change a champion's bundle together with the hash that the way back names: a fault from its birth."""
    folder = bundle_of(home, version)
    change(folder)
    past = home.pointer_file.with_name("past.json")
    values = json.loads(past.read_text())
    for pointer in values:
        if pointer["version"] == version:
            pointer["bundle_hash"] = bundle_hash(folder)
    past.write_text(json.dumps(values))


def other_golden(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    golden[0]["scores"] = [score + 1 for score in golden[0]["scores"]]
    (folder / "golden.json").write_text(json.dumps(golden))


def golden_of_no_item(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    golden[0]["history"] = [10**6]
    (folder / "golden.json").write_text(json.dumps(golden))


def unknown_architecture(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"architecture": "oracle"}))


@pytest.mark.parametrize("fault", [other_golden, golden_of_no_item, unknown_architecture, without_items])
def test_a_target_whose_hash_is_right_has_to_answer_all_the_same(
    fault: Callable[[Path], object], four: Home
) -> None:
    rewrite(four, "3", fault)
    said: list[str] = []
    assert rollback(four, tell=said.append).version == champion(four) == "2"
    assert len(said) == 1 and said[0].startswith("Version 3 is passed over: ")


def test_without_a_sound_one_nothing_moves(four: Home) -> None:
    for version in "123":
        flip(bundle_of(four, version))
    before = {path.name: path.read_bytes() for path in four.folder("champion").iterdir()}
    with pytest.raises(PromotionError, match=r"none of the earlier champions \(version 1, 2, 3\) can serve"):
        rollback(four)
    assert {path.name: path.read_bytes() for path in four.folder("champion").iterdir()} == before
    assert champion(four) == "4"


def test_a_damaged_pointer_is_set_again_only_where_what_it_named_is_sound(four: Home) -> None:
    flip(bundle_of(four, "4"))
    four.pointer_file.write_text("{half")
    back = rollback(four)
    assert back.version == champion(four) == "3"
    assert back.reason.startswith("set again, as its pointer was missing or damaged, past version 4")


@pytest.mark.parametrize("name", ["past.json", "history.json"])
def test_a_damaged_list_moves_nothing(
    name: str, four: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (four.pointer_file.with_name(name)).write_text('[{"pointer"')
    monkeypatch.setenv("NEXTPLAY_HOME", four.path)
    assert answer(["rollback"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and f"{name} is damaged: restore it from a backup" in told
    assert champion(four) == "4"


@pytest.mark.parametrize("at", ["tell_of", "_tell"])
def test_a_rollback_that_was_killed_goes_one_back_when_it_is_asked_for_again(
    at: str, four: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(*((Champions, "tell_of") if at == "tell_of" else (Home, "_tell_mlflow")), dies)
        rollback(four)
    monkeypatch.setenv("NEXTPLAY_HOME", four.path)
    assert answer(["rollback"]) == 0
    assert "it goes no further back" in capsys.readouterr().out
    assert champion(four) == "3"
    assert answer(["rollback"]) == 0  # a new wish
    assert champion(four) == "2"


def test_a_promotion_that_was_killed_is_no_way_back(four: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks has not seen it: as with one that a run makes in the meantime, nothing is rolled back."""

    class Killed(BaseException):
        pass

    def dies(*_: object) -> None:
        raise Killed

    first = bundle_of(four, "1")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(Champions, "tell_of", dies)
        four.champions().crown(Pointer(str(first), "1", bundle_hash(first), 9.0, "promoted by ada: x"), {})
    with four.locked(), pytest.raises(PromotionError, match="the champion has changed"):
        rollback(four)
    assert champion(four) == "1"


def test_what_serves_goes_back_while_mlflow_is_away(four: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: Home) -> None:
        raise ConnectionError("nobody answers")

    with monkeypatch.context() as patched:
        patched.setattr(Home, "tracking", away)
        assert rollback(four).version == "3"
    assert read_pointer(four.pointer_file).version == "3"
    assert four.tracking().champion() == "4"  # until the next run
