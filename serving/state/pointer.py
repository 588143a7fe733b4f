"""The pointer to the champion: the one file that promotion publishes and that serving watches."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from models.bundle.bundle import BundleError, OtherFormatError
from models.bundle.formats import Format, format_in
from serving.state.regular import read_regular

FORMATS = Format(1)  # of the pointer, and of the files beside it
MOST_SECONDS = 200_000_000_000  # since the epoch: what is more is milliseconds


@dataclass(frozen=True)
class Pointer:
    """Which bundle serves.

    `bundle` is a folder, absolute or relative to the pointer file's own folder; `version` is the registered
    version; `promoted_at` is in seconds since the epoch, UTC; `bento` is the tag of the Bento that answered.
    `baselines` names the folders of the bundles that the champion had to beat, for comparisons. `judged` and
    `judged_hash` are of its twin, the bundle that the gate judged, where that is not what serves.
    """

    bundle: str
    version: str
    bundle_hash: str
    promoted_at: float
    reason: str = ""
    bento: str = ""
    baselines: dict[str, str] = field(default_factory=dict)  # name -> folder
    judged: str = ""
    judged_hash: str = ""
    format: int = FORMATS.current

    @property
    def twin_hash(self) -> str:
        """Of the bundle that was judged, which may be the one that serves."""
        return self.judged_hash or self.bundle_hash

    def folder(self, pointer_file: Path) -> Path:
        """The bundle's folder, made absolute."""
        return (pointer_file.parent / self.bundle).resolve()

    def twin_folder(self, pointer_file: Path) -> Path:
        """The folder of the bundle that was judged, made absolute."""
        return (pointer_file.parent / (self.judged or self.bundle)).resolve()

    def baseline_folders(self, pointer_file: Path) -> dict[str, Path]:
        """The baselines' folders by name, made absolute."""
        return {name: (pointer_file.parent / folder).resolve() for name, folder in self.baselines.items()}

    def relative_to(self, folder: Path) -> "Pointer":
        """Absolute paths made relative to the pointer file's `folder`: all of it can be moved together."""
        baselines = {name: os.path.relpath(path, folder) for name, path in self.baselines.items()}
        judged = os.path.relpath(self.judged, folder) if self.judged else ""
        return replace(self, bundle=os.path.relpath(self.bundle, folder), baselines=baselines, judged=judged)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True)


def read_pointer(path: Path) -> Pointer | None:
    """The pointer, or None before the first promotion; raises BundleError where it cannot be understood."""
    try:
        return pointer_of(json.loads(read_regular(path)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"The champion's pointer {path} cannot be understood ({error}).") from error


def pointer_of(values: Mapping[str, Any]) -> Pointer:
    """The pointer that a file describes; raises TypeError or AttributeError where it describes none.

    Raises OtherFormatError for one that another release wrote.
    """
    if problem := FORMATS.problem("The champion's pointer", format_in(values)):
        raise OtherFormatError(problem)
    known = {f.name for f in fields(Pointer)}
    pointer = Pointer(**{name: value for name, value in values.items() if name in known})
    for name, value in asdict(pointer).items():
        _check(name, value)
    return pointer


def _check(name: str, value: object) -> None:
    """Raises TypeError where a field read from a file is none of Pointer's, nor a time that can be."""
    if name == "format":
        return
    if name == "promoted_at":
        fits = isinstance(value, float | int) and 0 <= value < MOST_SECONDS
    elif name == "baselines":
        fits = isinstance(value, dict) and all(isinstance(folder, str) for folder in value.values())
    else:
        fits = isinstance(value, str)
    if not fits:
        raise TypeError(f"{name} is {value!r}")
