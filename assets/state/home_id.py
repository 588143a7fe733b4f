"""Which home this is: what several homes register in one MLflow carries it, and each removes only its own.

A home that was copied is another one from then on, as far as that can be seen: where the home that it is a
copy of is still there. One that was moved stays who it is.
"""

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from assets.state.files import replace_text
from models.bundle.formats import Format, format_in
from models.mistakes import UserError
from serving.state.regular import read_regular

HOME_FILE = "home.json"
FORMATS = Format(1)


class HomeIdError(UserError):
    """The file that names a home cannot be used; the message says what to do."""


def home_id(home: Path, *, alone: bool = True) -> str:
    """The home's id, made where it has none yet; empty of one that has none and cannot be written.

    A home that is not `alone` has folders on several machines, which all are it.
    """
    home = home.resolve()
    file = home / HOME_FILE
    if not file.exists():
        try:
            _make(file)
        except OSError:
            return ""
    found = _read(file)
    if alone and _is_copy(found, home):
        found = _described(hashlib.sha256(f"{found['id']}\0{home}".encode()).hexdigest()[:16], home)
        with suppress(OSError):  # read-only: it registers nothing either
            replace_text(file, json.dumps(found))
    return str(found["id"])


def _read(file: Path) -> Mapping[str, Any]:
    """Raises HomeIdError."""
    try:
        found: Mapping[str, Any] = json.loads(read_regular(file))
        if problem := FORMATS.problem(f"The home {file.parent}", format_in(found)):
            raise HomeIdError(problem)
        if not isinstance(found["id"], str):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeIdError(
            f"{file} is damaged: restore it from a backup. It says which versions of a shared MLflow are "
            "this home's."
        ) from None
    return found


def _is_copy(found: Mapping[str, Any], home: Path) -> bool:
    """Whether the home in which this was written is another folder, and still there."""
    place = found.get("place")
    if not isinstance(place, str) or place == str(home):
        return False
    try:
        original = Path(place)
        return not original.samefile(home) and _read(original / HOME_FILE)["id"] == found["id"]
    except (OSError, HomeIdError):
        return False


def _described(name: str, home: Path) -> dict[str, Any]:
    return {"format": FORMATS.current, "id": name, "place": str(home)}


def _make(file: Path) -> None:
    """Processes that start together make one."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(json.dumps(_described(uuid.uuid4().hex[:16], file.parent)), encoding="utf-8")
    try:
        os.link(aside, file)
    except FileExistsError:
        pass
    finally:
        aside.unlink(missing_ok=True)
