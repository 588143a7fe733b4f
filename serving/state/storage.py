"""Files on an object store or in a folder, by address: `s3://bucket/prefix`, `gs://…`, `file:///…`, a path.

Arrow's own file systems reach them, so nothing is installed for it; credentials, region and endpoint come
from the store's usual environment variables (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, …). A file appears
whole or not at all: on an object store a put is atomic, in a folder the file is written aside and renamed.
"""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import tenacity

from models.mistakes import UserError

PATIENCE_S = 90.0  # how long a store may be away before an error is told

_LIST = ".files.json"  # beside a folder: the names of its files

Result = TypeVar("Result")


class StorageError(UserError):
    """The store cannot be reached, or refuses; the message says which address and why."""


class Store:
    """The files below one address; a key is a relative path with `/`."""

    def __init__(self, address: str, patience_s: float = PATIENCE_S) -> None:
        self.address = address.rstrip("/")
        self.patience_s = patience_s
        self._files, self._root = _open(self.address)

    def read(self, key: str) -> bytes | None:
        """The content of a small file, or None where there is none."""

        def read() -> bytes | None:
            try:
                with self._files.open_input_stream(self._path(key)) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

        return self._patiently("read", key, read)

    def write(self, key: str, content: bytes) -> None:
        """Replace a small file: readers see the old or the new content."""
        self._patiently("write", key, lambda: self._place(key, lambda stream: stream.write(content)))

    def put(self, path: Path, key: str) -> None:
        """Copy a file of this machine to the store."""

        def copy(stream: Any) -> None:
            with path.open("rb") as source:
                shutil.copyfileobj(source, stream, 1 << 22)

        self._patiently("write", key, lambda: self._place(key, copy))

    def get(self, key: str, path: Path) -> None:
        """Copy a file of the store to this machine; it appears under `path` when it is whole."""

        def copy() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
            try:
                with self._files.open_input_stream(self._path(key)) as source, aside.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 22)
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)

        self._patiently("read", key, copy)

    @contextmanager
    def stream(self, key: str) -> Iterator[Any]:
        """A file open for reading anywhere in it, as Arrow takes it. Raises StorageError."""
        opened = self._patiently("read", key, lambda: self._files.open_input_file(self._path(key)))
        with opened:
            yield opened

    def stamp(self, key: str) -> str:
        """Changes when a file is replaced; empty where there is none."""

        def look() -> str:
            info = self._files.get_file_info(self._path(key))
            return f"{info.mtime_ns} {info.size}" if info.is_file else ""

        return self._patiently("look at", key, look)

    def keys(self, prefix: str) -> list[str]:
        """The keys of all files below a prefix, sorted, relative to the store."""
        from pyarrow.fs import FileSelector

        def listed() -> list[str]:
            selector = FileSelector(self._path(prefix), recursive=True, allow_not_found=True)
            found = [info.path for info in self._files.get_file_info(selector) if info.is_file]
            return sorted(path[len(self._root) :].lstrip("/") for path in found)

        return self._patiently("list", prefix, listed)

    def remove(self, prefix: str) -> None:
        """Remove all files below a prefix."""

        def remove() -> None:
            for key in self.keys(prefix):
                self._files.delete_file(self._path(key))
            if self._files.type_name == "local":
                shutil.rmtree(self._path(prefix), ignore_errors=True)

        self._patiently("remove", prefix, remove)

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}".rstrip("/")

    def _place(self, key: str, fill: Callable[[Any], object]) -> None:
        """What is written reaches the store once it is whole: closing a half-written object would put it."""
        target = self._path(key)
        if self._files.type_name != "local":
            with tempfile.TemporaryFile() as whole:
                fill(whole)
                whole.seek(0)
                with self._files.open_output_stream(target) as stream:
                    shutil.copyfileobj(whole, stream, 1 << 22)
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        aside = Path(target).with_name(f".{Path(target).name}.{os.getpid()}-{uuid.uuid4().hex[:8]}")
        try:
            with aside.open("wb") as stream:
                fill(stream)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)

    def _patiently(self, what: str, key: str, work: Callable[[], Result]) -> Result:
        """Try again while the store is away, up to the store's patience. Raises StorageError."""
        tries = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass),
            wait=tenacity.wait_exponential(0.2, max=5),
            stop=tenacity.stop_after_delay(self.patience_s),
            reraise=True,
        )
        try:
            return tries(work)
        except OSError as error:
            raise StorageError(f"Cannot {what} {self.address}/{key}: {error}.") from error


def put_folder(store: Store, key: str, folder: Path) -> None:
    """Copy a folder to the store under `key`, unless it is there; the list of its files goes last."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    whole = json.dumps(names).encode()
    if store.read(key + _LIST) == whole:
        return
    for name in names:
        store.put(folder / name, f"{key}/{name}")
    store.write(key + _LIST, whole)


def get_folder(store: Store, key: str, folder: Path) -> bool:
    """Copy a folder of the store to this machine, where it appears whole; False where there is none."""
    listed = store.read(key + _LIST)
    if listed is None:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder.parent) as aside:
        whole = Path(aside) / "whole"
        whole.mkdir()
        for name in json.loads(listed):
            store.get(f"{key}/{name}", whole / name)
        try:
            whole.rename(folder)
        except OSError:  # somebody else was faster
            if not folder.is_dir():
                raise
    return True


def _may_pass(error: BaseException) -> bool:
    final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, OSError) and not isinstance(error, final) and "ACCESS_DENIED" not in str(error)


def is_address(text: str) -> bool:
    """Whether a text names a place by scheme, rather than a path."""
    return "://" in text


def _open(address: str) -> tuple[Any, str]:
    """The file system of an address, and the root in it."""
    from pyarrow.fs import FileSystem, LocalFileSystem

    if not is_address(address):
        return LocalFileSystem(), str(Path(address).resolve())
    try:
        files, root = FileSystem.from_uri(address)
    except (ValueError, OSError) as error:
        raise StorageError(f"{address} is no address of a store: {error}.") from None
    return files, root.rstrip("/")
