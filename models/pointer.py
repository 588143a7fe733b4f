"""The pointer to the champion: the one file that promotion publishes and that serving watches."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from models.bundle import BundleError


@dataclass(frozen=True)
class Pointer:
    """Which bundle serves.

    `bundle` is a folder, absolute or relative to the pointer file's own folder; `version` is the registered
    version; `promoted_at` is in seconds since the epoch, UTC; `bento` is the tag of the Bento that answered.
    """

    bundle: str
    version: str
    bundle_hash: str
    promoted_at: float
    reason: str = ""
    bento: str = ""

    def folder(self, pointer_file: Path) -> Path:
        """The bundle's folder, made absolute."""
        return (pointer_file.parent / self.bundle).resolve()

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2, sort_keys=True)


def read_pointer(path: Path) -> Pointer | None:
    """The pointer, or None before the first promotion; raises BundleError where it cannot be understood."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        types = {f.name: f.type for f in fields(Pointer)}
        pointer = Pointer(**{name: value for name, value in values.items() if name in types})
        for name, value in asdict(pointer).items():
            if not isinstance(value, float | int if types[name] is float else str):
                raise TypeError(f"{name} is {value!r}")
        return pointer
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"The champion's pointer {path} cannot be understood ({error}).") from error
