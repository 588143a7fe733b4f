"""Raw files: downloaded, given or generated, and recorded in the lake.

The table's `path` is `raw/files/<sha256>` below the home, a link to where the file lies. So the table depends
on the content alone: a home that moved, or a copy that lies elsewhere now, changes the link and nothing else.
`address` is where the content came from when it was recorded first.
"""

import gzip
import logging
import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq

from assets.contracts import blocking_check, checks_of
from assets.formats.gunzip import GZIP_MAGIC, DamagedFileError
from assets.formats.reading import Reading
from assets.formats.rows import RowReader
from assets.formats.table import HASH, ROLES, Table, count, text
from assets.ingest.download import DEFAULT_SETTINGS, DownloadError
from assets.ingest.raw_file import RawFile, Request, SourceError
from assets.ingest.source import Remarks
from assets.ingest.sources import plays_reader, remarks, resolve
from assets.resources import Home, Source
from assets.shown.tables import columns_shown
from assets.state.code import made_by
from assets.state.lake import file_hash, fingerprint
from serving.state.storage import Store

CODE = made_by(__name__)
DOWNLOAD = DEFAULT_SETTINGS
SHOWN = 20  # files in the metadata
TOLD = 5  # remarks of a kind in the log

RAW_FILES = Table(
    "raw_files",
    "The files that everything is made from, whole and checked: downloaded, given or generated.",
    (
        text("role", "what it holds: libraries, games, reviews, items, or table/ and a name", matches=ROLES),
        text("path", "below the home: raw/files/ and the SHA-256, a link to the file"),
        text("sha256", "of the file", matches=HASH),
        count("bytes", "size of the file"),
        text("address", "where it came from when it was recorded first, without credentials"),
    ),
)


@dg.asset(
    pool="lake",
    kinds={"python", "gzip"},
    code_version=CODE,
    description=RAW_FILES.words,
    metadata=columns_shown(RAW_FILES),
    # a download has retried for about a minute by then; this outlives a host that restarts
    retry_policy=dg.RetryPolicy(
        max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS
    ),
)
def raw_files(context: dg.AssetExecutionContext, home: Home, source: Source) -> dg.MaterializeResult[None]:
    started = time.monotonic()
    request = Request(source, home.folder("raw"), DOWNLOAD)
    files, told = _resolve(request)
    told = replace(told, files=[*told.files, *twins(files, source.reading())])
    for level, those in (
        (logging.WARNING, told.files),
        (logging.WARNING, told.columns),
        (logging.INFO, told.asides),
    ):
        if those:
            more = f", and {len(those) - TOLD:,} more in the metadata" if len(those) > TOLD else ""
            context.log.log(level, "Of the source: %s%s.", "; ".join(those[:TOLD]), more)
    for file in files:
        _link(home.folder(), file)
        context.log.info("%s: %s (%s)", file.role, file.path, file.how)
        for note in file.notes:
            context.log.info("%s: %s", file.role, note)
    content = [[file.role, file.sha256] for file in files]
    made_from = fingerprint("raw_files", CODE, source.name, content)
    version = home.lake().publish("raw_files", made_from, partial(_write, files))
    return dg.MaterializeResult(
        metadata={
            "files": dg.MetadataValue.md(_preview(files)),
            "source": source.name,
            "left out, or doubtful": dg.MetadataValue.md(
                "\n".join(f"- {one}" for one in (*told.files, *told.columns, *told.asides)) or "nothing"
            ),
            "size": _size(sum(file.bytes for file in files)),
            "seconds": round(time.monotonic() - started, 1),
            "dagster/row_count": version.rows,
            **_details(files),
        },
        data_version=dg.DataVersion(made_from),
    )


@blocking_check(asset=raw_files, description="Each raw file is there with its recorded SHA-256.")
def raw_files_are_unchanged(home: Home) -> dg.AssetCheckResult:
    faults = [fault for file in current_raw_files(home) if (fault := _change(file))]
    return _verdict(faults)


@blocking_check(asset=raw_files, description="Each raw file holds something; gzip can read it.")
def raw_files_hold_data(home: Home) -> dg.AssetCheckResult:
    faults = [f"{file.path} holds no data" for file in current_raw_files(home) if not _holds_data(file.path)]
    return _verdict(faults)


RAW_CHECKS = checks_of(RAW_FILES)


def current_raw_files(home: Home) -> list[RawFile]:
    """The published raw files; `path` is where each lies on this machine now. Raises LakeError."""
    rows = pq.read_table(home.lake().current("raw_files").path).to_pylist()
    return [RawFile(**row | {"path": (home.folder() / row["path"]).resolve()}) for row in rows]


def shared_address(home: Home, file: RawFile) -> str:
    """Where other machines find a raw file: beside a lake that is on an object store, else at its path."""
    if not home.lake_address:
        return str(file.path)
    store, key = Store(home.lake_address), f"raw/{file.sha256}"
    if key not in store.keys("raw"):
        store.put(file.path, key)
    return f"{store.address}/{key}"


def _resolve(request: Request) -> tuple[list[RawFile], Remarks]:
    """The files of the source, and remarks on them.

    What goes wrong is a failure in one sentence, final unless it may pass.
    """
    try:
        return resolve(request), remarks(request)
    except SourceError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except DownloadError as error:
        raise dg.Failure(str(error), allow_retries=error.transient) from error.__cause__


def twins(files: Sequence[RawFile], reading: Reading) -> list[str]:
    """What is said of files of plays with the same content, unless they hold no rows."""
    first: dict[str, RawFile] = {}
    told = []
    for file in files:
        one = first.setdefault(file.sha256, file)
        reader = plays_reader(file.role)
        if one is not file and reader and _has_rows(reader.reading(reading), file.path):
            told.append(f"{one.role} and {file.role} are both read, and hold the same bytes")
    return told


def _has_rows(reader: RowReader, path: Path) -> bool:
    try:
        return any(len(batch) for batch in reader.read(path))
    except DamagedFileError:
        return True


def _link(home: Path, file: RawFile) -> None:
    """Point the name that the table uses at the file, whether or not it pointed elsewhere before."""
    link = home / _link_name(file)
    link.parent.mkdir(parents=True, exist_ok=True)
    inside = file.path.is_relative_to(home)
    aside = link.with_name(f".{link.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(os.path.relpath(file.path, link.parent) if inside else file.path)
    aside.replace(link)


def _link_name(file: RawFile) -> str:
    return f"raw/files/{file.sha256}"


def _write(files: Sequence[RawFile], path: Path) -> None:
    rows = [
        {
            "role": file.role,
            "path": _link_name(file),
            "sha256": file.sha256,
            "bytes": file.bytes,
            "address": file.address,
        }
        for file in files
    ]
    pq.write_table(RAW_FILES.rows(rows), path)


def _change(file: RawFile) -> str | None:
    if not file.path.is_file():
        return f"{file.path} is missing"
    return None if file_hash(file.path) == file.sha256 else f"{file.path} has changed since it was recorded"


def _holds_data(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            start = stream.read(len(GZIP_MAGIC))
        if start != GZIP_MAGIC:
            return path.suffix != ".gz" and start != b""
        with gzip.open(path) as stream:
            return stream.read(1) != b""
    except (OSError, EOFError, zlib.error):
        return False


def _verdict(faults: Sequence[str]) -> dg.AssetCheckResult:
    if not faults:
        return dg.AssetCheckResult(passed=True)
    return dg.AssetCheckResult(passed=False, description=f"{'; '.join(faults)}: materialize raw_files again.")


def _preview(files: Sequence[RawFile]) -> str:
    rows = ["| role | size | how | SHA-256 | address |", "|:--|--:|:--|:--|:--|"]
    for file in files[:SHOWN]:
        rows.append(
            f"| {file.role} | {_size(file.bytes)} | {file.how} | `{file.sha256[:16]}…` | {file.address} |"
        )
    if len(files) > SHOWN:
        rows.append(f"\n… and {len(files) - SHOWN:,} more")
    return "\n".join(rows)


def _details(files: Sequence[RawFile]) -> dict[str, Any]:
    details: dict[str, Any] = {}
    for file in files[:SHOWN]:
        details[f"{file.role} path"] = dg.MetadataValue.path(str(file.path))
        details[f"{file.role} address"] = file.address
        details[f"{file.role} SHA-256"] = file.sha256
        details[f"{file.role} size (bytes)"] = file.bytes
        details[f"{file.role} was"] = file.how
        if file.notes:
            details[f"{file.role} columns"] = "; ".join(file.notes)
    return details


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"
