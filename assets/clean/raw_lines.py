"""The lines of the raw files, counted beside their rows: what a reader swallows is seen there."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq

from assets.clean.clean_tables import FILE
from assets.clean.steam_tables import write_rows
from assets.contracts import checks_of
from assets.formats.csv_rows import MOST_LINES
from assets.formats.gunzip import DamagedFileError
from assets.formats.table import Rule, Table, count
from assets.ingest.raw_file import RawFile
from assets.ingest.raw_files import current_raw_files
from assets.ingest.sources import catalogue_reader, plays_reader
from assets.resources import Home
from assets.shown.tables import columns_shown, table_result
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint

CODE = made_by(__name__)
RAW_LINES = Table(
    "raw_lines",
    "The lines of each file of somebody's table, counted beside its rows; in Parquet a line is a row.",
    (
        FILE,
        count("lines", "up to the last that is not empty"),
        count("header", "those up to the names of the columns"),
        count("blank", "those behind the header without a character"),
        count("rows", "as `raw_counts` has them"),
        count("quoted", "the others: within a cell in quotation marks"),
        count("most_quoted", "that so many quotation marks can hold"),
    ),
    (
        Rule(
            "every_line_is_accounted",
            "fault_lines",
            "Header, blank lines, rows and lines within quoted cells are all lines of the file, and the "
            "last are no more than its quotation marks can hold.",
            beside=("raw_counts",),
        ),
    ),
)


@dg.asset(
    pool="lake",
    deps=["raw_files", "raw_counts"],
    kinds={"python", "parquet"},
    code_version=CODE,
    description=RAW_LINES.words,
    metadata=columns_shown(RAW_LINES),
)
def raw_lines(home: Home) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    rows = _rows_read(lake)
    made_from = fingerprint("raw_lines", CODE, lake.current("raw_files").fingerprint, rows)

    def write(path: Path) -> None:
        write_rows(_counted(current_raw_files(home), rows), RAW_LINES, path)

    try:
        version = lake.publish("raw_lines", made_from, write)
    except DamagedFileError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    with lake.connect("raw_lines") as connection:
        return table_result(connection, version, started, {})


def _rows_read(lake: Lake) -> dict[str, int]:
    """How many rows of each file were read."""
    counts = pq.read_table(lake.current("raw_counts").path, columns=["file", "lines_read"])
    return dict(zip(*(column.to_pylist() for column in counts.columns), strict=True))


def _counted(files: Sequence[RawFile], rows: Mapping[str, int]) -> list[dict[str, object]]:
    """The rows of `raw_lines`, of the files whose lines can be counted."""
    counted = []
    for file in files:
        reader = plays_reader(file.role) or catalogue_reader(file.role)
        if reader and reader.lines:
            found, read = reader.lines(file.path), rows[file.role]
            counted.append(
                {
                    "file": file.role,
                    "lines": found.lines,
                    "header": found.header,
                    "blank": found.blank,
                    "rows": read,
                    "quoted": found.lines - found.header - found.blank - read,
                    "most_quoted": found.marks // 2 * (MOST_LINES - 1),
                }
            )
    return sorted(counted, key=lambda row: str(row["file"]))


RAW_LINES_CHECKS = checks_of(RAW_LINES)
