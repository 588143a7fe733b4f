"""Which code made a bundle."""

import hashlib
from functools import cache
from pathlib import Path

MODELS = Path(__file__).parent


def code_version() -> str:
    """Of `models`: a bundle is made again when what makes it has changed."""
    return source_hash(MODELS)


@cache
def source_hash(root: Path) -> str:
    """SHA-256, shortened to 16 digits, over the Python files below a folder."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
