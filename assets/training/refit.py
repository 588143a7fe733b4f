"""A refit: the winner trained once more on all data, held-out plays too; and what its bundle says of that."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

REFIT_FILE = "refit.json"


@dataclass(frozen=True)
class Refit:
    """What a refitted bundle says of itself."""

    twin: str  # the hash of the bundle that was not refitted, which the gate judged
    until: int | None  # time of the newest play that it learned from; None for data without times


def read_refit(bundle: Path) -> Refit | None:
    """None where the bundle was not refitted."""
    path = bundle / REFIT_FILE
    return Refit(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def write_refit(bundle: Path, refit: Refit) -> None:
    (bundle / REFIT_FILE).write_text(json.dumps(asdict(refit), sort_keys=True), encoding="utf-8")
