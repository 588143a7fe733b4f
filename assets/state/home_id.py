"""Which home this is: what several homes register in one MLflow carries it, and each removes only its own."""

import json
import os
import uuid
from pathlib import Path

from models.bundle.formats import Format, format_in
from models.mistakes import UserError
from serving.state.regular import read_regular

HOME_FILE = "home.json"
FORMATS = Format(1)


class HomeIdError(UserError):
    """The file that names a home cannot be used; the message says what to do."""


def home_id(home: Path) -> str:
    """The home's id, made where it has none yet; empty of one that has none and cannot be written."""
    file = home / HOME_FILE
    if not file.exists():
        try:
            _make(file)
        except OSError:
            return ""
    try:
        found = json.loads(read_regular(file))
        if problem := FORMATS.problem(f"The home {home}", format_in(found)):
            raise HomeIdError(problem)
        return str(found["id"])
    except (OSError, ValueError, KeyError, TypeError):
        raise HomeIdError(
            f"{file} is damaged: restore it from a backup. It says which versions of a shared MLflow are "
            "this home's."
        ) from None


def _make(file: Path) -> None:
    """Processes that start together make one."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(json.dumps({"format": FORMATS.current, "id": uuid.uuid4().hex[:16]}), encoding="utf-8")
    try:
        os.link(aside, file)
    except FileExistsError:
        pass
    finally:
        aside.unlink(missing_ok=True)
