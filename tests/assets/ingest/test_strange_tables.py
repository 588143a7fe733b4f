"""Strange tables that people bring: each is read as its owner means it, or what is wrong is said.

Every row of CASES is a small folder of files. `read` is what must come of it, or `said` what its owner must
be told: by a sentence that ends the run, a warning, a failed check, or a reason in the quarantine.
"""

import gzip
import zipfile
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.clean import clean as cleaning
from assets.ingest import raw_files as raw
from assets.resources import Cleaning, Home, Source
from models.mistakes import UserError
from tests.support.homes import rows

LIMIT = next(c for c in cleaning.CLEAN_CHECKS if "little_is_quarantined" in str(list(c.check_keys)))
HEADER = "user_id,item_id,timestamp\n"
PLAYS = [(user, item, 1_514_764_800 + 60 * n) for n, (user, item) in enumerate(
    (user, item) for user in ("ada", "bob", "cyd") for item in ("10", "20", "30", "40")
)]  # fmt: skip
READ = [(user, item) for user, item, _ in PLAYS]  # in the order of play, user by user


def csv(plays: list[tuple[str, str, Any]] = PLAYS, separator: str = ",", header: str | None = None) -> str:
    lines = [separator.join(map(str, play)) for play in plays]
    return (HEADER.replace(",", separator) if header is None else header) + "\n".join(lines) + "\n"


def timed(how: Callable[[int], object]) -> str:
    return csv([(user, item, how(time)) for user, item, time in PLAYS])


def utc(time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC)


def parquet(**columns: Any) -> bytes:
    users, items, times = zip(*PLAYS, strict=True)
    made = {"user_id": list(users), "item_id": list(items), "timestamp": list(times), **columns}
    buffer = BytesIO()
    pq.write_table(pa.table({name: values for name, values in made.items() if values is not None}), buffer)
    return buffer.getvalue()


def zipped(text: str) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("plays.csv", text)
    return buffer.getvalue()


@dataclass(frozen=True)
class Case:
    files: dict[str, str | bytes]  # by their path below the folder that NEXTPLAY_TABLE names
    read: list[tuple[str, str]] | None = None
    said: tuple[str, ...] = ()  # all of them must stand in what was told
    settings: dict[str, Any] = field(default_factory=dict)


def one(content: str | bytes, *said: str, read: list[tuple[str, str]] | None = None, **settings: Any) -> Case:
    """A folder of one file that is read as it should be, unless something is to be said."""
    return Case({"plays.csv": content}, read if said or read else READ, said, settings)


HTML = "<!DOCTYPE html>\n<html><body>Not found</body></html>\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 123\n"
JSON_LINES = '{"user_id": "ada", "item_id": "10", "timestamp": 1514764800}\n' * 4
CASES = {
    # text that other programs write
    "UTF-16 as Excel saves Unicode text": one(csv(separator="\t").encode("utf-16")),
    "UTF-8 with a byte order mark and quoted names": one(
        "\ufeff" + csv(header='"user_id","item_id","timestamp"\n')
    ),
    "lines that end as on an old Mac": one(csv().replace("\n", "\r")),
    "lines that end as on Windows": one(csv().replace("\n", "\r\n")),
    "no end of the last line": one(csv().rstrip("\n")),
    "blank lines between the rows": one(csv().replace("\n", "\n\n")),
    "blanks around separators": one(csv().replace(",", " , ")),
    "names of columns in capitals": one(csv(header="USER_ID,Item_ID,TimeStamp\n")),
    "decimal commas and semicolons": one(
        csv([(u, i, f"{t},5") for u, i, t in PLAYS], ";"), "timestamp", "1514764800,5"
    ),
    "a separator at the end of each row": one(csv().replace("\n", ",\n")),
    "a first line that names the separator": one("sep=,\n" + csv()),
    "a comment above the names": one("# exported by a shop\n" + csv(), "exported by"),
    "the names once more in the middle": one(
        csv() + csv([("dee", "10", 1_514_999_000)]), "timestamp", read=[*READ, ("dee", "10")]
    ),
    "no names at all": one(csv(header=""), "user_id"),
    "a name twice": one(csv(header="user_id,user_id,timestamp\n"), "user_id"),
    "letters that are not UTF-8": one(csv().encode() + "é,10,1514765000\n".encode("latin-1") * 3, "UTF-8"),
    "NUL where a disk was full": one(csv().encode() + b"\0" * 4096, "NUL|plays.csv"),
    "one line without an end": one(csv() + "x" * 3_000_000, "plays.csv"),
    # files that are something else
    "a web page instead of the file": one(HTML, "user_id"),
    "a pointer of Git LFS": one(POINTER, "user_id"),
    "JSON lines": one(JSON_LINES, "user_id"),
    "a ZIP archive": one(zipped(csv()), "plays.csv"),
    "an empty file": one("", "empty"),
    "names and no rows": one(HEADER, "no play|no row|nothing|0 "),
    "gzip of two parts": one(
        gzip.compress(csv(PLAYS[:6]).encode()) + gzip.compress(csv(PLAYS[6:], header="").encode())
    ),
    "gzip that was cut short": one(gzip.compress(csv().encode())[:-20], "damaged"),
    "Parquet that was cut short": one(parquet()[:-20], "damaged"),
    # ids
    "ids in capitals and not": one(
        csv([("Ada", "10", 1), ("ada", "10", 2)]), read=[("Ada", "10"), ("ada", "10")]
    ),
    "ids of any script": one(csv([("ж 🎮", "日本", 1)]), read=[("ж 🎮", "日本")]),
    "ids with leading zeros": one(
        csv([("007", "0010", 1), ("7", "10", 2)]), read=[("007", "0010"), ("7", "10")]
    ),
    "ids that are too long": one(csv() + f"ada,{'x' * 300},1514765000\n", "200"),
    "an id that is only a blank": one(csv() + " ,10,1514765000\n", "user_id|no user|missing"),
    "whole numbers as decimals in Parquet": one(parquet(item_id=[Decimal(f"{i}.00") for _, i, _ in PLAYS])),
    "whole numbers as floats in Parquet": one(parquet(item_id=[float(i) for _, i, _ in PLAYS])),
    "texts of a dictionary in Parquet": one(
        parquet(user_id=pa.array([u for u, *_ in PLAYS]).dictionary_encode())
    ),
    "bytes as ids in Parquet": one(parquet(user_id=[b"\xff\x00" for _ in PLAYS]), "UTF-8"),
    # times
    "times with a zone": one(timed(lambda t: utc(t).isoformat())),
    "times with Z and blanks": one(timed(lambda t: f" {utc(t):%Y-%m-%d %H:%M:%S} UTC ")),
    "times of several zones": one(
        timed(
            lambda t: (
                f"{utc(t + 7200):%Y-%m-%dT%H:%M:%S}+02:00" if t % 120 else f"{utc(t):%Y-%m-%dT%H:%M:%S}Z"
            )
        )
    ),
    "seconds with fractions": one(timed(lambda t: f"{t}.250")),
    "nanoseconds": one(timed(lambda t: t * 10**9)),
    "nanoseconds as a float": one(timed(lambda t: f"{t * 10**9}.0")),
    "times of Parquet in nanoseconds": one(
        parquet(timestamp=pa.array([t * 10**9 for *_, t in PLAYS], pa.timestamp("ns", "Europe/Paris")))
    ),
    "days of Parquet": one(parquet(timestamp=[date(2018, 1, 1 + n) for n in range(12)])),
    "American days without a format": one(
        timed(lambda t: f"{utc(t):%m/%d/%Y %H:%M}"), "timestamp", "NEXTPLAY_TIME_FORMAT"
    ),
    "American days with a format": one(
        timed(lambda t: f"{utc(t):%m/%d/%Y %H:%M}"), time_format="%m/%d/%Y %H:%M"
    ),
    "a day that there is not": one(csv() + "ada,50,2018-02-30\n" * 2, "2018-02-30"),
    "two units in one column": one(timed(lambda t: t if t % 120 else t * 1000), "unit|thousand|1,?000"),
    # folders
    "a folder as Spark writes it": Case(
        {"part-0.snappy.parquet": parquet(), "_SUCCESS": "", ".part-0.crc": "x"}, READ
    ),
    "folders by year": Case({"year=2018/a.parquet": parquet(), "_temporary/b.parquet": parquet()}, READ),
    "CSV beside Parquet": Case(
        {"a.csv": csv(PLAYS[:6]), "b.parquet": parquet(), "c.CSV.GZ": gzip.compress(csv(PLAYS[:1]).encode())},
        READ,
    ),
    "a copy that a notebook left": Case(
        {"a.csv": csv(), ".ipynb_checkpoints/a-checkpoint.csv": csv([("eve", "1", 1)])}, READ
    ),
    "a download that is under way": Case(
        {"a.csv": csv(), "b.csv.part": csv([("eve", "1", 1)]), "c.csv.crdownload": "x"}, READ
    ),
    "one file of a folder that lacks a column": Case(
        {"a.csv": csv(), "b.csv": "user_id,item_id\nada,1\n"}, None, ("b.csv", "timestamp")
    ),
    "one file of a folder that is something else": Case(
        {"a.csv": csv(), "notes.txt": "call Ada\n"}, READ, ("notes.txt",)
    ),
    "a folder of nothing": Case({"README.md": "hello\n"}, None, ("README.md|no .*file",)),
    # names of columns
    "names that shops use": one(csv(header="customer_id,product_id,event_time\n")),
    "other names, given": one(
        csv(header="wer,was,wann\n"), columns={"user_id": "wer", "item_id": "was", "timestamp": "wann"}
    ),
    "other names, one of them wrong": one(
        csv(header="wer,was,wann\n"),
        "wenn",
        "wann",
        columns={"user_id": "wer", "item_id": "was", "timestamp": "wenn"},
    ),
    "two names that fit": one("user_id,movieId,productId,timestamp\nada,1,2,3\n", "movieId", "productId"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_strange_table_is_read_as_meant_or_what_is_wrong_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    case = CASES[name]
    for path, content in case.files.items():
        file = tmp_path / "table" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    came_of_it, told = read(tmp_path, case.settings, caplog)
    for word in case.said:
        assert find(word, told), f"{word} is not in: {told}"
    if case.read is not None:
        assert came_of_it == case.read, told
    assert case.said or "quarantine" not in told
    assert "Traceback" not in told


def find(word: str, told: str) -> bool:
    return any(one in told for one in word.split("|"))


def read(folder: Path, settings: dict[str, Any], caplog: pytest.LogCaptureFixture) -> tuple[Any, str]:
    """The plays of a table, user by user in their order, or None; and all that its owner is told."""
    home, cleaned = Home(path=str(folder / "home")), Cleaning()
    source, metadata = Source(name="table", table=str(folder / "table"), **settings), dict[str, Any]()
    failures = list[str]()
    try:  # the steps of a run, without Dagster between them: that takes three times as long
        with dg.build_asset_context() as context:
            metadata = dict(raw.raw_files(context, home=home, source=source).metadata)
        deque(cleaning.clean(home=home, source=source, cleaning=cleaned), maxlen=0)
        deque(LIMIT(home=home, cleaning=cleaned), maxlen=0)
    except dg.Failure as error:
        assert error.description, "each failure is one sentence"
        failures.append(error.description)
    except UserError as error:  # what is none is a bug
        failures.append(str(error))
    told = [*failures, *(r.getMessage() for r in caplog.records if r.levelname == "WARNING")]
    if not home.lake().has("interactions"):
        return None, "\n".join(told)
    values = (getattr(value, "value", value) for value in metadata.values())
    told += [value for value in values if isinstance(value, str)]
    told += [f"quarantine: {reason} {text}" for reason, text in rows(home, "quarantine", "reason, text")]
    played = sorted(rows(home, "interactions", "user_id, position, item_id"))
    return [(user, item) for user, _, item in played], "\n".join(told)
