"""A source is one file and one entry: the example of docs/data.md, run as it stands there."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.clean.clean import CLEAN_CHECKS, clean
from assets.ingest.raw_file import RawFile, Request, SourceError
from assets.ingest.raw_files import raw_files
from assets.ingest.sources import (
    SOURCES,
    UNKNOWN,
    catalogue_reader,
    dated_sources,
    plays_reader,
    resolve,
    source_state,
)
from assets.resources import Cleaning, Home, Source

DATA = Path(__file__).parents[3] / "docs" / "data.md"
PLAYS = [("ada", "10", "2018-01-04"), ("ada", "20", "2018-01-03"), ("bob", "10", "2018-01-05")]


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    section = DATA.read_text(encoding="utf-8").partition("### Adding a source")[2]
    example = re.search(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert example is not None
    module = ModuleType("toys")
    exec(compile(example[1], "docs/data.md", "exec"), module.__dict__)
    monkeypatch.setitem(SOURCES, "toys", module.SOURCE)
    return module


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "plays.json.gz"
    lines = [json.dumps({"who": who, "what": what, "at": at}) for who, what, at in PLAYS]
    path.write_bytes(gzip.compress("\n".join([*lines, "{}", ""]).encode()))
    return path


def rows(home: Home, query: str) -> list[tuple[Any, ...]]:
    with home.lake().connect("interactions", "quarantine", "raw_counts") as connection:
        return connection.execute(query).fetchall()


def test_a_source_is_added_with_one_entry(toys: ModuleType, given: Path, tmp_path: Path) -> None:
    home, source = Home(path=str(tmp_path / "home")), Source(name="toys", table=str(given))

    result = dg.materialize(
        [raw_files, clean, *CLEAN_CHECKS],
        resources={"home": home, "source": source, "cleaning": Cleaning(max_quarantined_share=0.5)},
        instance=dg.DagsterInstance.ephemeral(),
    )

    assert all(check.passed for check in result.get_asset_check_evaluations())
    assert pq.read_table(home.lake().current("raw_files").path)["role"].to_pylist() == ["plays/toys"]
    assert rows(home, "SELECT user_id, item_id, position FROM interactions") == [
        ("ada", "20", 0),
        ("ada", "10", 1),
        ("bob", "10", 0),
    ]
    assert rows(home, "SELECT file, line, reason, text FROM quarantine") == [
        ("plays/toys", 4, "not a play", "{}")
    ]
    assert rows(home, "SELECT file, lines_read, lines_accepted FROM raw_counts") == [("plays/toys", 4, 3)]


def test_a_role_that_nothing_reads_is_refused(
    toys: ModuleType, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SOURCES, "toys", replace(toys.SOURCE, plays={}))
    with pytest.raises(ValueError, match="Nothing reads the role 'plays/toys'"):
        resolve(Request(Source(name="toys", table=str(given)), tmp_path))


@pytest.mark.parametrize("second", ["items/more", "games"])
def test_a_second_file_that_describes_items_is_refused(
    toys: ModuleType, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, second: str
) -> None:
    def files(request: Request) -> list[RawFile]:
        (plays,) = toys.SOURCE.files(request)
        return [plays, replace(plays, role="items/toys"), *more]

    monkeypatch.setitem(SOURCES, "toys", replace(toys.SOURCE, files=files))
    request, more = Request(Source(name="toys", table=str(given)), tmp_path), list[RawFile]()
    assert len(resolve(request)) == 2
    more.append(replace(resolve(request)[0], role=second))
    with pytest.raises(SourceError) as caught:
        resolve(request)
    assert str(caught.value) == (
        f"The source 'toys' has 2 files that describe items, items/toys and {second}: put them into one file."
    )


def test_its_state_follows_its_file(toys: ModuleType, given: Path, tmp_path: Path) -> None:
    request = Request(Source(name="toys", table=str(given)), tmp_path)
    before = source_state(request)
    assert before == source_state(request) != UNKNOWN
    given.write_bytes(gzip.compress(b"{}\n"))
    assert source_state(request) not in (before, UNKNOWN)
    assert source_state(Request(Source(name="toys", table="/no/such/file"), tmp_path)) == UNKNOWN


def test_a_role_means_the_same_in_all_sources() -> None:
    for readers in ([s.plays for s in SOURCES.values()], [s.catalogue for s in SOURCES.values()]):
        offered = [(role, reader) for of_one in readers for role, reader in of_one.items()]
        assert len(dict(offered)) == len(set(offered))


def test_a_reader_is_found_by_the_role_or_what_comes_before_a_slash_in_it() -> None:
    assert plays_reader("table/a.csv") is plays_reader("table/b/c.parquet") is not None
    assert catalogue_reader("items") is catalogue_reader("items/mine") is not None
    assert plays_reader("libraries") is plays_reader("games") is plays_reader("items") is None
    assert catalogue_reader("games") is None


def test_the_page_of_data_lists_every_source_and_whether_it_is_dated() -> None:
    table = re.findall(
        r"^\| `([a-z-]+)`.* \| (yes|no) \|$", DATA.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert dict(table) == {name: "yes" if name in dated_sources() else "no" for name in SOURCES}
