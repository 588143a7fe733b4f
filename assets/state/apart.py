"""Homes below a home: where whole nights run that are only there to be judged.

<home>/as_served/<cut>/        a home of its own
<home>/as_served/<cut>.json    what its night was made from, how many users were forgotten then, and whether
                               it ended; written before the night begins
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assets.state.files import replace_text

FOLDER = "as_served"
NOT_SHARED = ("*.part*", "*.lock")  # of raw files: downloads under way


def home_apart(home: Path, name: str) -> Path:
    """The folder of a home below another."""
    return home.resolve() / FOLDER / name.replace(":", "").replace("/", "-")


def homes_apart(home: Path) -> list[str]:
    """The names of the homes below a home, oldest first: by when a night in them was begun, ended or asked
    for again."""
    there = [apart for apart in (home.resolve() / FOLDER).glob("*") if apart.is_dir()]
    return [apart.name for apart in sorted(there, key=_asked_for)]


def _asked_for(apart: Path) -> tuple[int, str]:
    note = _note(apart)
    return (note if note.exists() else apart).stat().st_mtime_ns, apart.name


def read_note(apart: Path) -> Mapping[str, Any]:
    """What is known of the night in a home; nothing where none began."""
    try:
        found: Mapping[str, Any] = json.loads(_note(apart).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found


def write_note(apart: Path, inputs: Mapping[str, str], forgotten: int, finished: bool) -> None:
    """Note what a night is made from, before it begins and again at its end."""
    apart.mkdir(parents=True, exist_ok=True)
    note = {"inputs": dict(inputs), "forgotten": forgotten, "finished": finished}
    replace_text(_note(apart), json.dumps(note, indent=1, sort_keys=True))


def remove_apart(apart: Path) -> None:
    """Remove a home below a home; its note first, so that half a home is none that has ended."""
    _note(apart).unlink(missing_ok=True)
    shutil.rmtree(apart, ignore_errors=True)


def forget_apart(home: Path, forgotten: int) -> list[str]:
    """Remove the homes below a home that were made when fewer, or others, had asked to be forgotten."""
    stale = [
        apart
        for apart in sorted((home.resolve() / FOLDER).glob("*"))
        if apart.is_dir() and read_note(apart).get("forgotten", -1) != forgotten
    ]
    for apart in stale:
        remove_apart(apart)
    return [apart.name for apart in stale]


def share_raw(home: Path, apart: Path) -> None:
    """Give a new home the raw files of another, as links to the same bytes where the disk has such."""
    raw, given = home.resolve() / "raw", apart / "raw"
    if raw.is_dir() and not (given.is_dir() and any(given.iterdir())):
        left_out = shutil.ignore_patterns(*NOT_SHARED)
        shutil.copytree(raw, given, symlinks=True, copy_function=_linked, ignore=left_out, dirs_exist_ok=True)


def _linked(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _note(apart: Path) -> Path:
    return apart.with_name(f"{apart.name}.json")
