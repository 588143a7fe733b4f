"""Which code made a bundle."""

import hashlib
from functools import cache
from pathlib import Path


@cache
def code_version() -> str:
    """SHA-256 over the sources of `models`: a bundle is made again when what makes it has changed."""
    root = Path(__file__).parent
    total = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        total.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()[:16]
