"""The lake's tables on an object store: other machines have them, and this one keeps a copy of what it reads.

<address>/tables/<table>/<fingerprint[:16]>/<table>.parquet, then version.json
<address>/pointer.json      replacing this one object is the publication
"""

import json
from pathlib import Path

from serving.state.storage import Store

POINTER_KEY, VERSION_KEY = "pointer.json", "version.json"


class RemoteTables:
    """Immutable versions of tables on a store; each raises StorageError where the store is away too long."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def pointer(self) -> str | None:
        content = self.store.read(POINTER_KEY)
        return None if content is None else content.decode()

    def point(self, text: str) -> None:
        self.store.write(POINTER_KEY, text.encode())

    def address(self, place: str, table: str) -> str:
        """Where the rows of a version lie; `place` is the version's folder below the root of the lake."""
        return f"{self.store.address}/{place}/{table}.parquet"

    def fetch(self, place: str, table: str, folder: Path) -> None:
        """Copy a version of the store into a folder, unless it is the one that is there."""
        description = self.store.read(f"{place}/{VERSION_KEY}")
        if description is None or description == _read(folder / VERSION_KEY):
            return
        folder.mkdir(parents=True, exist_ok=True)
        (folder / VERSION_KEY).unlink(missing_ok=True)
        self.store.get(f"{place}/{table}.parquet", folder / f"{table}.parquet")
        self.store.get(f"{place}/{VERSION_KEY}", folder / VERSION_KEY)

    def versions(self, folder: str) -> list[str]:
        """The fingerprints of a table's versions; `folder` is the table's below the root of the lake."""
        keys = [key for key in self.store.keys(folder) if key.endswith(f"/{VERSION_KEY}")]
        texts = [self.store.read(key) for key in keys]
        return [json.loads(text)["fingerprint"] for text in texts if text]

    def remove(self, place: str) -> None:
        """Remove a version from the store."""
        self.store.remove(place)

    def put(self, place: str, table: str, folder: Path) -> None:
        """Copy a version of a folder to the store, its description last, unless the store has it."""
        description = (folder / VERSION_KEY).read_bytes()
        if self.store.read(f"{place}/{VERSION_KEY}") != description:
            self.store.put(folder / f"{table}.parquet", f"{place}/{table}.parquet")
            self.store.write(f"{place}/{VERSION_KEY}", description)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
