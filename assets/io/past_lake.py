"""The lake as it was on an earlier night."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from assets.io.lake import Lake, LakeError, TableVersion, file_hash


class PastLake(Lake):
    """The lake as it was when some versions of its tables were current; for reading alone.

    `versions` are fingerprints by table. Raises LakeError where a version is gone, or not what was written.
    """

    def __init__(self, lake: Lake, versions: Mapping[str, str]) -> None:
        super().__init__(lake.root, lake.memory_limit, lake._remote)
        self._versions = dict(versions)
        for table in versions:
            version = self._version(table, versions[table])
            if version is None or file_hash(version.path) != version.content_hash:
                raise LakeError(f"the version {versions[table][:16]} of the table '{table}' is not whole.")

    def _pointer(self) -> dict[str, str]:
        return self._versions

    def publish_many(
        self, made_from: str, tables: Sequence[str], write: Callable[[Mapping[str, Path]], None]
    ) -> dict[str, TableVersion]:
        raise LakeError("The past cannot be written.")
