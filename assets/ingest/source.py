"""What a source is: where its files are, whether they may have changed, and how they are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from assets.formats.rows import RowReader
from assets.ingest.raw_file import RawFile, Request
from assets.resources import Source
from models.bundle.bundle import ItemTable
from models.scorer import Scorer


@dataclass(frozen=True)
class Remarks:
    """Beside the files that are read: warnings of files and of columns, and what no one misses."""

    files: Sequence[str] = ()
    columns: Sequence[str] = ()
    asides: Sequence[str] = ()


@dataclass(frozen=True)
class DataSource:
    """All that is known of a source; `assets.ingest.sources` names them.

    `files` gives the raw files in a fixed order and raises SourceError or DownloadError. `state` is told by
    every scheduled run: it differs when the files may differ, costs no download, and may raise what `files`
    raises, OSError or ValueError where it cannot be told.

    The role of a raw file says what it holds, the same in all sources. `plays` and `catalogue` read files row
    by row, found by the role (`plays/toys`) or by what comes before a slash in it (`table/january.csv`). New
    roles are `plays/<name>` and `items/<name>`. A source without `plays` has Steam's `libraries`; these, and
    Steam's catalogue in the role `games`, are read as a whole by `assets.clean`.

    `remarks` are sentences for the log and the metadata on what was found beside the files that are read.

    `optimum` is the best scorer that there can be, where the process behind the data is known.

    `repeats` is what NEXTPLAY_REPEATS is by default, where the source has its own.
    """

    files: Callable[[Request], list[RawFile]]
    state: Callable[[Request], object]
    plays: Mapping[str, RowReader] = field(default_factory=dict)
    catalogue: Mapping[str, RowReader] = field(default_factory=dict)
    remarks: Callable[[Request], Remarks] | None = None
    optimum: Callable[[Source, ItemTable], Scorer] | None = None
    repeats: str | None = None

    @property
    def dated(self) -> bool:
        """Plays have times, libraries have none."""
        return bool(self.plays)
