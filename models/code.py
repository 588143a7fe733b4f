"""Which code made a bundle."""

import hashlib
from functools import cache
from pathlib import Path

MODELS = Path(__file__).parent


def code_version() -> str:
    """Of `models`: a bundle is made again when what makes it has changed."""
    return source_hash(MODELS)


@cache
def source_hash(root: Path, suffixes: tuple[str, ...] = (".py",)) -> str:
    """SHA-256, shortened to 16 digits, over the files below a folder whose names end so."""
    total = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in suffixes):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
