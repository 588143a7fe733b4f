"""Temporary copies lie where nobody else can exchange them."""

import tempfile
from pathlib import Path

import pytest

from serving.mirror import Mirror
from serving.state.own_folder import own_folder
from serving.state.storage import StorageError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_for_its_owner_alone_and_the_same_again(temporary: Path) -> None:
    folder = own_folder("copies")
    assert folder.parent == temporary and folder.stat().st_mode & 0o777 == 0o700
    assert own_folder("copies") == folder


def test_one_that_others_may_write_to_is_refused() -> None:
    own_folder("copies").chmod(0o777)
    with pytest.raises(StorageError, match="is not of this user alone"):
        own_folder("copies")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_stands_in_its_place_is_refused(temporary: Path, kind: str) -> None:
    place = own_folder("copies")
    place.rmdir()
    (temporary / "elsewhere").mkdir(mode=0o700)
    if kind == "link":
        place.symlink_to(temporary / "elsewhere")
    else:
        place.touch(0o600)
    with pytest.raises(StorageError, match="is not of this user alone"):
        own_folder("copies")


def test_a_champion_on_a_store_is_copied_there(temporary: Path) -> None:
    address = f"{(temporary / 'store').as_uri()}/champion/pointer.json"
    assert Mirror(address).pointer_file.is_relative_to(own_folder("nextplay"))
    own_folder("nextplay").chmod(0o777)
    with pytest.raises(StorageError, match="is not of this user alone"):
        Mirror(address)
