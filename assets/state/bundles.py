"""Where bundles live: immutable folders named by what made them, and a pointer to the current ones.

<root>/<architecture>-<fingerprint[:16]>/   a bundle
<root>/current.json                         architecture -> the folder of its newest bundle
<root>/hashes.json                          folder -> what its content is to be
"""

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from assets.state.files import replace_text, sync_entry, sync_folder
from assets.state.shared import SharedState
from models.bundle.bundle import bundle_hash
from models.bundle.formats import Format, format_in
from models.mistakes import UserError
from serving.state.regular import LARGEST_LIST, NoFileError, read_regular

log = logging.getLogger(__name__)

FORMATS = Format(1)  # of the two lists
CURRENT_FILE = "current.json"
HASHES_FILE = "hashes.json"
UNFINISHED = ".unfinished-"
BUNDLE_NAME = re.compile(r"[a-z][a-z0-9_-]*-[a-z0-9]{1,16}")


class MissingBundleError(UserError):
    """No bundle of an architecture is there; the message says what to do."""


class BundleStore:
    """Bundles below `root`, one folder a version. Whoever writes holds the home's lock.

    With `shared`, other machines have them too.
    """

    def __init__(self, root: Path, shared: SharedState | None = None) -> None:
        self._root, self._shared = root, shared
        root.mkdir(parents=True, exist_ok=True)

    def publish(self, architecture: str, fingerprint: str, write: Callable[[Path], None]) -> Path:
        """The bundle made from `fingerprint`, written by `write(folder)` unless it is there already, whole.

        The folder appears under its name only when whole: a kill leaves the bundle that was current before.
        """
        folder = self._folder(architecture, fingerprint)
        if self.find(architecture, fingerprint) is None:
            unfinished = self._root / f"{UNFINISHED}{folder.name}"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                write(unfinished)
            except BaseException:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            sync_folder(unfinished)
            self._merge(HASHES_FILE, folder.name, bundle_hash(unfinished))
            self._take_away(folder)
            unfinished.replace(folder)
            sync_entry(self._root)
        self._merge(CURRENT_FILE, architecture, folder.name)
        if self._shared is not None:
            self._shared.put_bundle(folder.name)
        return folder

    def find(self, architecture: str, fingerprint: str) -> Path | None:
        """The finished bundle made from `fingerprint`, if there is a whole one."""
        folder = self._folder(architecture, fingerprint)
        if self._shared is not None:
            self._shared.get_bundle(folder.name)
        if not self.is_whole(folder):
            if folder.exists():
                log.warning("The bundle %s is damaged: it is made again.", folder)
            return None
        return folder

    def with_hash(self, digest: str) -> Path | None:
        """The bundle of a content, if there is one."""
        return next((folder for folder in self.folders() if bundle_hash(folder) == digest), None)

    def folders(self) -> list[Path]:
        """Every finished bundle."""
        return sorted(path for path in self._root.glob("[!.]*") if path.is_dir())

    def withdraw(self, architecture: str) -> None:
        """From now on there is no current bundle of an architecture; the folders stay."""
        self._drop(CURRENT_FILE, architecture)

    def has(self, architecture: str) -> bool:
        """Whether there is a current bundle of an architecture."""
        return architecture in self._read(CURRENT_FILE)

    def current(self, architecture: str) -> Path:
        """The newest bundle of an architecture; raises MissingBundleError."""
        name = self._read(CURRENT_FILE).get(architecture)
        if name is None:
            raise MissingBundleError(
                f"There is no bundle of {architecture} yet: materialize the asset that trains it."
            )
        return self._root / name

    def currents(self) -> dict[str, str]:
        """The name of each architecture's newest bundle."""
        return self._read(CURRENT_FILE)

    def remove(self, folder: Path) -> None:
        """Take a bundle away, if it is there: whole at once, whatever happens while its files are deleted."""
        self._take_away(folder)
        self._drop(HASHES_FILE, folder.name)

    def _take_away(self, folder: Path) -> None:
        if folder.exists():
            aside = self._root / f"{UNFINISHED}removed-{folder.name}"
            shutil.rmtree(aside, ignore_errors=True)
            folder.replace(aside)
            shutil.rmtree(aside, ignore_errors=True)

    def is_whole(self, folder: Path) -> bool:
        """Whether a bundle is there, with the content that was written; of an old one that nobody noted."""
        expected = self._read(HASHES_FILE).get(folder.name)
        return folder.exists() and (expected is None or bundle_hash(folder) == expected)

    def _folder(self, architecture: str, fingerprint: str) -> Path:
        name = f"{architecture}-{fingerprint[:16]}"
        if not BUNDLE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a bundle.")
        return self._root / name

    def _read(self, name: str) -> dict[str, str]:
        path = self._root / name
        try:
            found: dict[str, str] = json.loads(read_regular(path, LARGEST_LIST))
        except FileNotFoundError:
            return {}
        except (NoFileError, ValueError):
            raise _damaged(path) from None
        if problem := FORMATS.problem(f"The list of bundles {path}", format_in(found)):
            raise MissingBundleError(problem)
        if not isinstance(found, dict) or not all(isinstance(folder, str) for folder in found.values()):
            raise _damaged(path)
        return found

    def _merge(self, name: str, key: str, value: str) -> None:
        known = self._read(name)
        if known.get(key) != value:
            replace_text(self._root / name, json.dumps(known | {key: value}, indent=2))

    def _drop(self, name: str, key: str) -> None:
        known = self._read(name)
        if known.pop(key, None) is not None:
            replace_text(self._root / name, json.dumps(known, indent=2))


def _damaged(path: Path) -> MissingBundleError:
    return MissingBundleError(f"{path} is damaged: delete it and run again; whole bundles are reused.")
