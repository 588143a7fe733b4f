"""Where bundles live: immutable folders named by what made them, and a pointer to the current ones."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from assets.io.files import replace_text, sync_entry, sync_folder


class MissingBundleError(Exception):
    """No bundle of an architecture is there; the message says what to do."""


class BundleStore:
    """Bundles below `root`, one folder a version; `current.json` names the newest of each architecture."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True)

    def publish(self, architecture: str, fingerprint: str, write: Callable[[Path], None]) -> Path:
        """The bundle made from `fingerprint`, written by `write(folder)` unless it is there already.

        The folder appears under its name only when whole: a kill leaves the bundle that was current before.
        """
        folder = self._root / f"{architecture}-{fingerprint[:16]}"
        if not folder.exists():
            unfinished = self._root / f".unfinished-{folder.name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            write(unfinished)
            sync_folder(unfinished)
            unfinished.replace(folder)
            sync_entry(self._root)
        self._point(architecture, folder.name)
        return folder

    def find(self, architecture: str, fingerprint: str) -> Path | None:
        """The finished bundle made from `fingerprint`, if there is one."""
        folder = self._root / f"{architecture}-{fingerprint[:16]}"
        return folder if folder.exists() else None

    def current(self, architecture: str) -> Path:
        """The newest bundle of an architecture; raises MissingBundleError."""
        name = self._pointer().get(architecture)
        if name is None:
            raise MissingBundleError(
                f"There is no bundle of {architecture} yet: materialize the asset that trains it."
            )
        return self._root / name

    def _pointer(self) -> dict[str, str]:
        path = self._root / "current.json"
        pointer: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return pointer

    def _point(self, architecture: str, name: str) -> None:
        pointer = self._pointer()
        if pointer.get(architecture) != name:
            replace_text(self._root / "current.json", json.dumps(pointer | {architecture: name}, indent=2))
