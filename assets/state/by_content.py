"""Publishing a table whose version is named by its content: for tables that grow night by night.

However they came about, equal rows are then one version, and what is made from them is not made again.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from assets.state.files import literal, scratch_name
from assets.state.lake import Lake, TableVersion, file_hash, fingerprint, write_parquet


def publish_rows(lake: Lake, table: str, write: Callable[[Path], None]) -> TableVersion:
    """Publish what `write` makes of the Parquet file it is given: rows in an order that follows from them.

    The file is read and written once more: how DuckDB encodes a column without or with nulls depends on
    whether its rows came from a file or from memory, and equal rows are to be equal bytes.
    """
    aside = lake.root / "spill" / scratch_name()  # the lake removes those of dead runs
    aside.mkdir(parents=True)
    written, made = aside / "written.parquet", aside / "made.parquet"

    def put(path: Path) -> None:
        made.replace(path)

    try:
        write(written)
        with lake.connect() as connection:
            connection.from_parquet(literal(written)).create_view("written")
            write_parquet(connection, "FROM written", made)
        return lake.publish(table, fingerprint(table, file_hash(made)), put)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
