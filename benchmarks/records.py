"""Results of a long bench, a line of JSON each: what a run that was stopped goes on from."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


def read(file: Path) -> list[dict[str, Any]]:
    """All lines so far; one that a kill cut short is left out."""
    found: list[dict[str, Any]] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
        with suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def append(file: Path, result: Mapping[str, Any]) -> None:
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(result) + "\n")
