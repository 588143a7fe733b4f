"""What other machines need of a home, on an object store: bundles, and the champion's pointer.

A run holds the home's lock from its first to its last asset. It takes the shared state over when it begins
and hands on what it changed, the pointer last: replacing that one object is the publication.
"""

import json
from pathlib import Path
from typing import Any

from assets.state.files import replace_text
from assets.state.home_id import HOME_FILE
from serving.state.storage import Store, get_folder, put_folder

BUNDLES_FILES = ("bundles/hashes.json", "bundles/current.json")
# In the order in which they are published.
ANCHOR_FILE = "champion/anchor.json"
CHAMPION_FILES = (
    *(HOME_FILE, ANCHOR_FILE),
    *("champion/history.json", "champion/past.json", "champion/pointer.json"),
)


class SharedState:
    """Bundles and champion below `home` on this machine, and on the store under the same names."""

    def __init__(self, home: Path, store: Store) -> None:
        self._home, self._store = home, store

    def take_over(self) -> None:
        """Make this machine's copy what the store says, where it says something. Raises StorageError."""
        for name in (*BUNDLES_FILES, *CHAMPION_FILES):
            content = self._store.read(name)
            if content is not None:
                (self._home / name).parent.mkdir(parents=True, exist_ok=True)
                replace_text(self._home / name, content.decode())
        for folder in self._named():
            self.get_bundle(folder)

    def get_bundle(self, folder: str) -> bool:
        """Fetch a bundle unless it is here; False where there is none."""
        path = self._home / "bundles" / folder
        return path.exists() or get_folder(self._store, f"bundles/{folder}", path)

    def put_bundle(self, folder: str) -> None:
        """Hand a bundle on, and which ones are current."""
        put_folder(self._store, f"bundles/{folder}", self._home / "bundles" / folder)
        for name in BUNDLES_FILES:
            self._store.write(name, (self._home / name).read_bytes())

    def put_champion(self) -> None:
        """Hand the champion on, its bundles first: from here on the endpoints follow it."""
        for folder in self._named():
            if (self._home / "bundles" / folder).exists():
                put_folder(self._store, f"bundles/{folder}", self._home / "bundles" / folder)
        for name in CHAMPION_FILES:
            path = self._home / name
            if path.exists():
                self._store.write(name, path.read_bytes())

    def put_file(self, name: str) -> None:
        """Hand on a file beside the champion's pointer."""
        self._store.put(self._home / "champion" / name, f"champion/{name}")

    def _named(self) -> list[str]:
        """The folders of the current bundles, the champions and the anchor."""
        named = set(_read(self._home / BUNDLES_FILES[-1], {}).values())
        champion = _read(self._home / "champion/pointer.json", {})
        for pointer in [champion, *_read(self._home / "champion/past.json", [])]:
            folders = [
                pointer.get("bundle", ""),
                pointer.get("judged", ""),
                *pointer.get("baselines", {}).values(),
            ]
            named |= {Path(folder).name for folder in folders if folder}
        anchor = _read(self._home / ANCHOR_FILE, None)
        return sorted(named | ({anchor["bundle"]} if anchor else set()))


def _read(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return otherwise
