"""A champion on an object store: what its pointer names is copied to this machine, and followed there."""

import hashlib
import os
import posixpath
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from models.bundle.bundle import BundleError, bundle_hash
from serving.state.own_folder import own_folder
from serving.state.pointer import Pointer, read_pointer
from serving.state.storage import Store, get_folder
from serving.state.user_state import SNAPSHOT_FILE

PATIENCE_S = 5.0  # per look; the model in service stays, and the next look tries again
ABANDONED_S = 3600.0  # since anything was written to a copy that is not whole


class Mirror:
    """Copies of a pointer, of the bundles that it names, and of the users' histories beside it.

    `address` is that of the pointer, such as `s3://bucket/prefix/champion/pointer.json`. Without a `folder`
    they lie in a temporary one of this user alone. Raises StorageError.
    """

    def __init__(self, address: str, folder: Path | None = None) -> None:
        root, self._place, name = address.rsplit("/", 2)
        self._store = Store(root, PATIENCE_S)
        self._key = f"{self._place}/{name}"
        named = hashlib.sha256(address.encode()).hexdigest()[:16]
        self._folder = (folder or own_folder("nextplay")) / named
        self._snapshot = ""
        self._synced: bytes | None = None  # the pointer that this process has followed
        self._keys: list[str] = []  # of the bundles that it names
        self._sweep_at = 0.0
        self.pointer_file = self._folder / self._key

    def sync(self) -> None:
        """Take over what has changed, the pointer last, then drop what no pointer names any more.

        Raises BundleError and StorageError.
        """
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + ABANDONED_S
            self._sweep()
        self._sync_snapshot()
        content = self._store.read(self._key)
        there = all((self._folder / key).is_dir() for key in self._keys)  # a temporary folder may be cleaned
        if content is None or (content == self._synced and there):
            return
        self.pointer_file.parent.mkdir(parents=True, exist_ok=True)
        aside = self.pointer_file.with_name(f".{self.pointer_file.name}.{os.getpid()}")
        aside.write_bytes(content)
        pointer = read_pointer(aside)
        keys = self._get(pointer) if pointer else []
        aside.replace(self.pointer_file)
        self._drop_others(keys)
        self._synced, self._keys = content, keys

    def _get(self, pointer: Pointer) -> list[str]:
        """Copy the bundles that are not here yet; their keys, the champion's first."""
        keys = [self._checked(named) for named in (pointer.bundle, *asdict(pointer)["baselines"].values())]
        champion = self._folder / keys[0]
        if champion.is_dir() and bundle_hash(champion) != pointer.bundle_hash:
            shutil.rmtree(champion)  # a damaged copy
        for key in keys:
            if not (self._folder / key).exists() and not get_folder(self._store, key, self._folder / key):
                raise BundleError(f"The champion's pointer names {key}, and the store has no such bundle.")
        return keys

    def _checked(self, named: str) -> str:
        """The key of what the pointer names."""
        key = posixpath.normpath(posixpath.join(self._place, named))
        if posixpath.isabs(named) or key.startswith(".."):
            raise BundleError(f"The champion's pointer names {named}, which is not on the store.")
        return key

    def _drop_others(self, keys: Sequence[str]) -> None:
        """Remove older bundles beside those of these keys; a process that serves one holds it in memory."""
        kept = {self._folder / key for key in keys}
        for folder in {path.parent for path in kept}:
            for other in folder.iterdir():
                if other not in kept and other.is_dir() and not other.name.startswith("."):
                    shutil.rmtree(other, ignore_errors=True)

    def _sweep(self) -> None:
        """Remove copies that a killed process left half way; other processes may be at work on theirs."""
        for left in [*self._folder.rglob(".unfinished-*"), *self.pointer_file.parent.glob(".*")]:
            if not _is_abandoned(left):
                continue
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)

    def _sync_snapshot(self) -> None:
        key = f"{self._place}/{SNAPSHOT_FILE}"
        stamp = self._store.stamp(key)
        if stamp and stamp != self._snapshot:
            self._store.get(key, self._folder / key)
            self._snapshot = stamp


def _is_abandoned(path: Path) -> bool:
    """Whether nothing has been written to a file, or to what is in a folder, for long."""
    try:
        newest = max(found.lstat().st_mtime for found in [path, *path.rglob("*")])
    except OSError:  # it is finished, or gone
        return False
    return newest < time.time() - ABANDONED_S
