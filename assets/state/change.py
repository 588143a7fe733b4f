"""A change of champion, written down whole before the first file is touched: a kill leaves all of it or none.

champion/change.json    what the files beside the pointer are to hold. It is there while they are written, and
                        where whoever wrote it was killed, the next to hold the home's lock finishes it.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assets.state.files import replace_text
from serving.state.pointer import Pointer, pointer_of
from serving.state.regular import LARGEST_LIST, NoFileError, read_regular

log = logging.getLogger(__name__)

CHANGE_FILE, PAST_FILE, HISTORY_FILE, ANCHOR_FILE = "change.json", "past.json", "history.json", "anchor.json"


@dataclass(frozen=True)
class Change:
    """What the champion's files are to hold; `before` is the SHA-256 of the pointer that is replaced."""

    pointer: Pointer
    past: Sequence[Mapping[str, Any]]
    history: Sequence[Mapping[str, Any]]
    forgets_anchor: bool
    back: bool  # a person asked for a champion of before
    before: str

    def write(self, pointer_file: Path) -> None:
        """Put every file in its place, the pointer last. May be repeated."""
        pointer_file.parent.mkdir(parents=True, exist_ok=True)
        replace_text(pointer_file.with_name(CHANGE_FILE), as_json(asdict(self)))
        replace_text(pointer_file.with_name(HISTORY_FILE), as_json(self.history))
        replace_text(pointer_file.with_name(PAST_FILE), as_json(self.past))
        if self.forgets_anchor:
            replace_text(pointer_file.with_name(ANCHOR_FILE), as_json(None))
        replace_text(pointer_file, self.pointer.to_json())


def unfinished(pointer_file: Path) -> Change | None:
    """The change that a kill has left, if it still fits the pointer that is there."""
    try:
        values = json.loads(read_regular(pointer_file.with_name(CHANGE_FILE), LARGEST_LIST))
        found = Change(**values | {"pointer": pointer_of(values["pointer"])})
    except FileNotFoundError:
        return None
    except (NoFileError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("What %s says cannot be understood (%s): it is left out.", CHANGE_FILE, error)
        return None
    fits = stamp(pointer_file) in (found.before, _hash(found.pointer.to_json().encode()))
    return found if fits else None


def close(pointer_file: Path) -> None:
    """The change is through."""
    pointer_file.with_name(CHANGE_FILE).unlink(missing_ok=True)


def stamp(pointer_file: Path) -> str:
    """The SHA-256 of the pointer's file; empty where there is none, or a FIFO or a folder in its place."""
    return _hash(pointer_file.read_bytes()) if pointer_file.is_file() else ""


def as_json(values: object) -> str:
    return json.dumps(values, indent=2, sort_keys=True)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
