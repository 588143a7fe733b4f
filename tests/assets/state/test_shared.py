"""A lake on a store: machines that share it see the same tables, bundles and champion, and nothing half."""

import json
import os
import shutil
from pathlib import Path

import pytest

from assets.resources import Home
from assets.state.lake import LakeError, fingerprint, write_parquet
from models.bundle.bundle import bundle_hash
from serving.mirror import Mirror
from serving.state.pointer import Pointer, read_pointer
from serving.state.storage import Store


@pytest.fixture
def machines(tmp_path: Path) -> tuple[Home, Home]:
    address = (tmp_path / "store").as_uri()
    return tuple(Home(path=str(tmp_path / name), lake_address=address) for name in ("one", "other"))


def publish(home: Home, table: str, value: int) -> None:
    lake = home.lake()

    def write(path: Path) -> None:
        with lake.connect() as connection:
            write_parquet(connection, f"SELECT {value} AS n", path)

    lake.publish(table, fingerprint(table, value), write)


def value(home: Home, table: str) -> int:
    with home.lake().connect(table) as connection:
        return connection.execute(f"SELECT n FROM {table}").fetchone()[0]


def test_a_table_of_one_machine_is_read_on_another(machines: tuple[Home, Home]) -> None:
    one, other = machines
    publish(one, "items", 1)
    assert value(other, "items") == 1
    publish(other, "items", 2)
    publish(other, "split", 7)
    assert value(one, "items") == 2, "the pointer of the store counts, not the copy"
    assert one.lake().current("split").content_hash == other.lake().current("split").content_hash
    assert other.lake().address("split").startswith("file://")


def test_a_version_that_is_there_is_not_made_again(machines: tuple[Home, Home]) -> None:
    one, other = machines
    publish(one, "items", 1)

    def never(path: Path) -> None:
        raise AssertionError("the version is on the store")

    other.lake().publish("items", fingerprint("items", 1), never)


def test_a_killed_upload_is_no_version(machines: tuple[Home, Home], tmp_path: Path) -> None:
    one, other = machines
    publish(one, "items", 1)
    store = Store(one.lake_address)
    (description,) = [key for key in store.keys("tables") if key.endswith("version.json")]
    (tmp_path / "store" / description).unlink()  # as if the upload had ended before its last file
    with pytest.raises(LakeError, match="materialize the asset 'items' again"):
        other.lake().current("items")
    publish(one, "items", 1)
    assert value(other, "items") == 1


def test_a_damaged_copy_is_told(machines: tuple[Home, Home]) -> None:
    one, other = machines
    publish(one, "items", 1)
    path = other.lake().current("items").path
    path.unlink()
    with pytest.raises(LakeError, match="missing or damaged"):
        other.lake().current("items")


def bundle(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)


def promote(home: Home, architecture: str, content: str, at: float) -> Pointer:
    folder = home.bundles().publish(architecture, fingerprint(content), lambda path: bundle(path, content))
    beaten = home.bundles().publish("popularity", fingerprint("p"), lambda path: bundle(path, "p"))
    pointer = Pointer(str(folder), content, bundle_hash(folder), at, baselines={"popularity": str(beaten)})
    home.champions().crown(pointer, {})
    return pointer


def test_a_run_begins_with_the_champion_of_the_store(machines: tuple[Home, Home]) -> None:
    one, other = machines
    promote(one, "sasrec", "first", 1.0)
    with other.locked():
        pointer = read_pointer(other.pointer_file)
        assert pointer is not None
        folder = pointer.folder(other.pointer_file)
        assert bundle_hash(folder) == pointer.bundle_hash
        assert other.bundles().current("sasrec") == folder
        assert all(path.exists() for path in pointer.baseline_folders(other.pointer_file).values())
        promote(other, "gru4rec", "second", 2.0)
    with one.locked():
        assert read_pointer(one.pointer_file).version == "second"


def test_a_new_store_takes_the_champion_of_the_home(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path / "home"))
    promote(home, "sasrec", "first", 1.0)
    shared = Home(path=home.path, lake_address=(tmp_path / "store").as_uri())
    with shared.locked():
        assert read_pointer(shared.pointer_file).version == "first", "an empty store takes nothing away"
        shared.champions().hand_on()
    other = Home(path=str(tmp_path / "other"), lake_address=shared.lake_address)
    with other.locked():
        pointer = read_pointer(other.pointer_file)
    assert bundle_hash(pointer.folder(other.pointer_file)) == pointer.bundle_hash


def test_an_endpoint_follows_a_pointer_on_a_store(machines: tuple[Home, Home], tmp_path: Path) -> None:
    home, _ = machines
    mirror = Mirror(f"{home.lake_address}/champion/pointer.json", tmp_path / "cache")
    mirror.sync()
    assert read_pointer(mirror.pointer_file) is None
    for at, content in enumerate(("first", "second")):
        promote(home, "sasrec", content, float(at))
        mirror.sync()
        pointer = read_pointer(mirror.pointer_file)
        assert pointer.version == content
        assert bundle_hash(pointer.folder(mirror.pointer_file)) == pointer.bundle_hash
    assert json.loads(mirror.pointer_file.read_text())["baselines"]
    Store(f"{home.lake_address}/champion").write("users.db", b"histories")
    mirror.sync()
    assert mirror.pointer_file.with_name("users.db").read_bytes() == b"histories"


@pytest.mark.slow
def test_a_copy_keeps_what_the_pointer_names_alone_and_is_made_whole_again(
    machines: tuple[Home, Home], tmp_path: Path
) -> None:
    home, _ = machines
    address = f"{home.lake_address}/champion/pointer.json"
    mirror = Mirror(address, tmp_path / "cache")

    def folder() -> Path:
        pointer = read_pointer(mirror.pointer_file)
        assert pointer is not None
        return pointer.folder(mirror.pointer_file)

    promote(home, "sasrec", "first", 1.0)
    mirror.sync()
    first = folder()
    promote(home, "sasrec", "second", 2.0)
    mirror.sync()
    assert folder().is_dir() and not first.exists(), "a cache that only grows fills its disk"

    whole = bundle_hash(folder())
    shutil.rmtree(folder())  # a cleaner of temporary folders
    mirror.sync()
    assert bundle_hash(folder()) == whole

    next(path for path in folder().iterdir() if path.is_file()).write_bytes(b"damaged")
    mirror = Mirror(address, tmp_path / "cache")  # the endpoint starts again
    mirror.sync()
    assert bundle_hash(folder()) == whole


def test_half_copies_of_killed_endpoints_go_and_those_under_way_stay(
    machines: tuple[Home, Home], tmp_path: Path
) -> None:
    home, _ = machines
    mirror = Mirror(f"{home.lake_address}/champion/pointer.json", tmp_path / "cache")
    promote(home, "sasrec", "first", 1.0)
    mirror.sync()
    bundles = read_pointer(mirror.pointer_file).folder(mirror.pointer_file).parent
    old, new = bundles / ".unfinished-old", bundles / ".unfinished-new"
    snapshot = mirror.pointer_file.with_name(".users.db.1-abc")
    for folder in (old, new):
        (folder / "whole").mkdir(parents=True)
        (folder / "whole" / "model.onnx").write_bytes(b"half")
    snapshot.write_bytes(b"half")
    for path in (snapshot, *old.rglob("*"), old):
        os.utime(path, (0, 0))
    Mirror(f"{home.lake_address}/champion/pointer.json", tmp_path / "cache").sync()  # it starts again
    assert new.exists() and not old.exists() and not snapshot.exists()
