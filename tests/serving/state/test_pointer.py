"""The champion's pointer: what is written is read back, whole homes can be moved, damage is said so."""

import json
from pathlib import Path

import pytest

from models.bundle.bundle import BundleError
from serving.state.pointer import Pointer, read_pointer

POINTER = Pointer("bundles/a", "3", "0" * 64, promoted_at=1.0, baselines={"markov": "bundles/m"})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "pointer.json").write_text(POINTER.to_json())
    assert read_pointer(tmp_path / "pointer.json") == POINTER
    assert read_pointer(tmp_path / "none.json") is None


def test_a_pointer_from_before_there_were_baselines_is_read(tmp_path: Path) -> None:
    values = json.loads(POINTER.to_json())
    del values["baselines"]
    (tmp_path / "pointer.json").write_text(json.dumps(values))
    assert read_pointer(tmp_path / "pointer.json").baselines == {}


def test_a_relative_pointer_finds_its_folders_wherever_it_lies(tmp_path: Path) -> None:
    absolute = Pointer("/home/bundles/a", "3", "0" * 64, 1.0, baselines={"markov": "/home/bundles/m"})
    pointer = absolute.relative_to(Path("/home/champion"))
    assert (pointer.bundle, pointer.baselines) == ("../bundles/a", {"markov": "../bundles/m"})
    file = tmp_path / "champion" / "pointer.json"
    assert pointer.folder(file) == tmp_path / "bundles" / "a"
    assert pointer.baseline_folders(file) == {"markov": tmp_path / "bundles" / "m"}


@pytest.mark.parametrize(
    "damage",
    [{"baselines": ["m"]}, {"baselines": {"markov": 3}}, {"version": 3}, {"promoted_at": "now"}]
    + [{"promoted_at": moment} for moment in (1.8e12, -1.0, float("nan"), float("inf"))],
)
def test_a_field_of_another_type_is_told(tmp_path: Path, damage: dict[str, object]) -> None:
    (tmp_path / "pointer.json").write_text(json.dumps(json.loads(POINTER.to_json()) | damage))
    with pytest.raises(BundleError, match=next(iter(damage))):
        read_pointer(tmp_path / "pointer.json")
