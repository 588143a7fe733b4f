"""Files by address: whole or not at all, in a folder as on an object store."""

import os
from pathlib import Path

import pytest

from serving.state.storage import StorageError, Store, get_folder, put_folder


@pytest.fixture(params=["path", "file address"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    place = tmp_path / "there"
    return Store(str(place) if request.param == "path" else place.as_uri())


def test_a_file_is_written_read_replaced_and_removed(store: Store) -> None:
    assert store.read("a/b.json") is None
    assert store.stamp("a/b.json") == ""
    store.write("a/b.json", b"one")
    before = store.stamp("a/b.json")
    store.write("a/b.json", b"other")
    assert store.read("a/b.json") == b"other"
    assert store.stamp("a/b.json") != before
    store.write("c", b"")
    assert store.keys("") == ["a/b.json", "c"]
    assert store.keys("a") == ["a/b.json"]
    store.remove("a")
    assert store.keys("") == ["c"]


def test_a_file_travels_there_and_back(store: Store, tmp_path: Path) -> None:
    content = os.urandom(5_000_000)
    (tmp_path / "big").write_bytes(content)
    store.put(tmp_path / "big", "x/big")
    store.get("x/big", tmp_path / "new" / "copy")
    assert (tmp_path / "new" / "copy").read_bytes() == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["copy"], "nothing is left aside"


def test_what_is_missing_is_told_with_its_address(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=f"Cannot read {store.address}/nothing"):
        store.get("nothing", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_folder_appears_whole_or_not_at_all(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "deep" / "b").write_text("2")
    store.write("half/a", b"1")  # its list of files was never written
    assert not get_folder(store, "half", tmp_path / "half")
    put_folder(store, "bundles/x", folder)
    assert get_folder(store, "bundles/x", tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "b").read_text() == "2"
    store.remove("bundles/x/deep")
    with pytest.raises(StorageError):
        get_folder(store, "bundles/x", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_address_of_nothing_known_is_told() -> None:
    with pytest.raises(StorageError, match="no address of a store"):
        Store("gopher://x/y")
