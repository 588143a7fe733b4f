"""The engine of many machines: Spark runs the statements of the rooms, carried over by SQLGlot.

What is kept between two statements is written as Parquet parts to a scratch folder beside the lake and read
again: so the rounds of the k-core build on files and not on each other, and what a lost executor held is
still there. A published table is read back from its parts by DuckDB, in their order, and written as one file,
as those of the other engine are: nobody who reads a table has to know which engine made it.
"""

import os
import re
import sys
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from assets.engines import sql
from assets.engines.engine import NOTHING, Found
from assets.engines.spark_dialect import carried
from assets.engines.spark_parts import REPORT, WORK, Part, empty_part, part_reader, part_writer, row_groups
from assets.formats.gunzip import DamagedFileError
from assets.state.files import literal
from assets.state.lake import Lake, write_parquet
from models.mistakes import UserError
from serving.state.storage import Store, is_address

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
}
OF_A_MASTER = {
    "spark.app.name": "nextplay",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.log.level": "ERROR",
}


_DAMAGED = re.compile(r"DamagedFileError: (.+)")


class SparkError(UserError):
    """Spark cannot be had; the message says what to change."""


@dataclass(frozen=True)
class SparkSettings:
    """Where Spark runs: a master address, or the address of a Spark Connect server, which then counts."""

    master: str = "local[*]"
    remote: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)


def check_installed() -> None:
    """Raises SparkError where PySpark is not installed."""
    if find_spec("pyspark") is None:
        raise SparkError("NEXTPLAY_ENGINE=spark needs PySpark: pip install -c constraints.txt -e '.[spark]'.")


def session(settings: SparkSettings) -> "SparkSession":
    """The session of this process, started where there is none. Raises SparkError."""
    check_installed()
    from pyspark.sql import SparkSession

    if settings.remote:
        builder, conf = SparkSession.builder.remote(settings.remote), SETTINGS
    else:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # of the executors
        builder, conf = SparkSession.builder.master(settings.master), SETTINGS | OF_A_MASTER
    for name, value in {**conf, **settings.conf}.items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate()
    except Exception as error:  # whatever Java or the server says
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise SparkError(
            f"Spark does not start at {settings.remote or settings.master} ({reason}): install Java 17, or "
            "name another place with NEXTPLAY_SPARK_MASTER or NEXTPLAY_SPARK_REMOTE."
        ) from error


class Spark:
    """The engine over one session. `scratch` is where executors write, and read again, what is kept."""

    def __init__(self, spark: "SparkSession", scratch: Store, lake: Lake) -> None:
        self._spark, self._scratch, self._lake = spark, scratch, lake
        self._token = f"scratch-{uuid.uuid4().hex}"
        self._views: set[str] = set()
        self._kept: dict[str, list[str]] = {}  # the addresses of the parts of each table that is kept
        self._lazy: dict[str, Mapping[str, Any]] = {}  # the parameters of each view of a statement

    def close(self) -> None:
        """Forget the views and remove what was kept."""
        for view in self._views:
            self._spark.catalog.dropTempView(view)
        self._scratch.remove(self._token)

    @property
    def tasks(self) -> int:
        """How many pieces to cut a file into."""
        return int(self._spark.conf.get("spark.sql.leafNodeDefaultParallelism", None) or self._parallelism())

    def open(self, table: str, address: str) -> None:
        """A view of a published table: one Parquet file at an address that the executors reach."""
        schema, _ = row_groups(address)
        self._view(table, self._read([address], schema))

    def make_rows(self, table: str, work: Sequence[tuple[Any, ...]], columns: str, read: Any) -> None:
        """Keep as a table what `read` makes of pieces of work on the executors, a task a piece.

        `read` is for `mapInArrow`, has the Arrow schema of its rows as `schema`, and gets rows of `columns`.
        """
        pieces = [(number, *piece) for number, piece in enumerate(work)]
        frame = self._spark.createDataFrame(pieces, f"piece int, {columns}")
        frame = frame.repartitionByRange(max(1, len(pieces)), "piece")
        try:
            self._keep(table, frame.mapInArrow(read, _spark_schema(read.schema)))
        except Exception as error:  # of a task, as text
            if damaged := _DAMAGED.search(str(error)):
                raise DamagedFileError(damaged[1]) from None
            raise

    # --- Engine

    def create(self, table: str, columns: "pa.Schema") -> None:
        self._keep(table, self._spark.createDataFrame([], _spark_schema(columns)))

    def make_table(self, table: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        self._keep(table, self._frame(table, parameters))

    def make_view(self, view: str, parameters: Mapping[str, Any] = NOTHING) -> None:
        self._lazy[view] = parameters

    def append(self, table: str, name: str, parameters: Mapping[str, Any] = NOTHING) -> int:
        frame = self._frame(name, parameters)
        parts = self._write_parts(frame)
        self._kept[table] += [self._address(part) for part in parts]
        self._view(table, self._read(self._kept[table], _arrow_schema(frame)))
        return sum(part.rows for part in parts)

    def alias(self, view: str, table: str) -> None:
        self._view(view, self._spark.table(table))

    def load(self, view: str, rows: "pa.Table") -> None:
        kept = (
            rows if len(rows) else []
        )  # Spark Connect cannot tell the columns of an Arrow table without rows
        self._view(view, self._spark.createDataFrame(kept, _spark_schema(rows.schema)))

    def find(self, name: str, parameters: Mapping[str, Any] = NOTHING) -> Found:
        frame = self._frame(name, parameters)
        return Found(frame.columns, [tuple(row) for row in frame.collect()])

    def find_some(self, name: str, parameters: Mapping[str, Any], shown: int) -> tuple[Found, int]:
        frame = self._frame(name, parameters)
        first = [tuple(row) for row in frame.limit(shown).collect()]
        return Found(frame.columns, first), len(first) if len(first) < shown else frame.count()

    def write(self, name: str, path: Path, parameters: Mapping[str, Any] = NOTHING) -> None:
        frame = self._frame(name, parameters)
        parts = self._write_parts(frame)
        with tempfile.TemporaryDirectory(dir=self._lake.root) as folder:
            files = [Path(folder) / f"{part.number:06d}.parquet" for part in parts]
            for part, file in zip(parts, files, strict=True):
                self._scratch.get(part.key, file)
            if not files:
                files = [empty_part(Path(folder) / "none.parquet", _arrow_schema(frame))]
            with self._lake.connect() as connection:
                connection.from_parquet([literal(file) for file in files]).create_view("parts")
                write_parquet(connection, "FROM parts", path)

    @staticmethod
    def rows(path: Path) -> int:
        """The rows of a table that was written."""
        return int(pq.read_metadata(path).num_rows)

    def ibis_table(self, table: str) -> Any:
        import ibis

        return ibis.pyspark.connect(self._spark).table(table)

    # --- inside

    def _frame(self, name: str, parameters: Mapping[str, Any]) -> "DataFrame":
        """The rows of a statement; views of statements are defined anew, on the tables as they are now."""
        for view, bound in self._lazy.items():
            if view != name:
                self._view(view, self._spark.sql(carried(sql.statement(view)), args=dict(bound)))
        return self._spark.sql(carried(sql.statement(name)), args=dict(parameters))

    def _view(self, name: str, frame: "DataFrame") -> None:
        frame.createOrReplaceTempView(name)
        self._views.add(name)

    def _keep(self, table: str, frame: "DataFrame") -> None:
        self._kept[table] = [self._address(part) for part in self._write_parts(frame)]
        self._view(table, self._read(self._kept[table], _arrow_schema(frame)))

    def _write_parts(self, frame: "DataFrame") -> list[Part]:
        prefix = f"{self._token}/{uuid.uuid4().hex}"
        write = part_writer(self._scratch.address, prefix, _arrow_schema(frame))
        return sorted(Part(*row) for row in frame.mapInArrow(write, REPORT).collect())

    def _address(self, part: Part) -> str:
        return f"{self._scratch.address}/{part.key}"

    def _read(self, addresses: Sequence[str], schema: "pa.Schema") -> "DataFrame":
        """The rows of Parquet files: by Spark itself from a folder, through Arrow from an object store."""
        found = _spark_schema(schema)
        if addresses and not is_address(addresses[0]):
            return self._spark.read.schema(found).parquet(*(f"file://{path}" for path in addresses))
        work = [piece for address in addresses for piece in row_groups(address)[1]]
        if not work:
            return self._spark.createDataFrame([], found)
        return self._spark.createDataFrame(work, WORK).repartition(len(work)).mapInArrow(part_reader, found)

    def _parallelism(self) -> int:
        try:
            return int(self._spark.sparkContext.defaultParallelism)
        except Exception:  # a Spark Connect client has no context
            return 8


def _arrow_schema(frame: "DataFrame") -> "pa.Schema":
    from pyspark.sql.pandas.types import to_arrow_schema

    return to_arrow_schema(frame.schema)


def _spark_schema(schema: "pa.Schema") -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)
