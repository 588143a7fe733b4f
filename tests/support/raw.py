"""Raw files as the sources hand them out, and homes that have read them."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assets.resources import Home
from assets.state.lake import file_hash, fingerprint


def library(user: str, games: dict[str, int] | list[tuple[str, int]]) -> str:
    owned = list(games.items()) if isinstance(games, dict) else games
    items = [
        {"item_id": i, "item_name": f"Game {i}", "playtime_forever": p, "playtime_2weeks": 0}
        for i, p in owned
    ]
    return repr(
        {"user_id": user, "items_count": len(items), "steam_id": user, "user_url": "x", "items": items}
    )


def write_lines(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), 1))
    return path


def home_with(folder: Path, files: dict[str, Path]) -> Home:
    """A home whose raw files, by role, are there already."""
    home = Home(path=str(folder / "home"))
    rows = []
    for role, path in files.items():
        link = home.folder("raw") / path.name
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        rows.append(
            {
                "role": role,
                "path": f"raw/{path.name}",
                "sha256": file_hash(path),
                "bytes": path.stat().st_size,
                "address": "x",
            }
        )
    table = pa.Table.from_pylist(rows)
    home.lake().publish("raw_files", fingerprint(rows), lambda path: pq.write_table(table, path))
    return home
