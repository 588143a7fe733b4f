"""What holds a forgotten user is found wherever it is, and erased."""

import bz2
import gzip
import html
import json
import lzma
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import markupsafe
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.release.erasure import erase, holding
from assets.release.hiding import HIDDEN, hider, in_records
from assets.resources import Home
from serving.state.events import Impression, Play
from serving.state.events_sqlite import SqliteEventStore
from serving.state.pointer import Pointer
from tests.support.tables import publish

ADA = "ada-lovelace-4242"
EVE = "ève and mallory"  # no single word, and not as JSON writes it
ZOE = "Zoë-Ångström"  # one word, which JSON writes otherwise
TOM = "tom & 'jerry'"  # which pages write otherwise
FACES = "👩‍👩‍👧‍👦" * 2
ROWS = [(ADA, "a", 0, 90, None), (EVE, "a", 0, 90, None), (ZOE, "a", 0, 90, None), ("bob", "a", 0, 90, None)]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    for name in ("DAGSTER_HOME", "NEXTPLAY_EVENTS"):
        monkeypatch.delenv(name, raising=False)
    yield Home(path=str(tmp_path / "home"))


def places(home: Home, user: str) -> set[str]:
    return {held.place.split("/")[0] for held in holding(home, user)}


def preview(user: str) -> dict[str, dg.MetadataValue]:
    return {
        "first rows": dg.MetadataValue.md(f"| user_id | item_id |\n| --- | --- |\n| {user} | 10 |"),
        "fingerprint": dg.MetadataValue.text("abc"),
    }


def records(home: Home, user: str) -> str:
    """A run of before, which showed rows and failed with a sentence that names a user."""

    @dg.asset(name="interactions")
    def made() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            metadata=preview(user) | {"worst": dg.MetadataValue.text(f"It is {user}.")}
        )

    with dg.DagsterInstance.local_temp(str(home.folder("dagster"))) as instance:
        return dg.materialize([made], instance=instance).run_id


def test_everything_that_holds_a_forgotten_user_is_found_and_erased(home: Home) -> None:
    lake = home.lake()
    publish(lake, "interactions", ROWS)
    first = lake.current("interactions")
    store = SqliteEventStore(home.events_file)
    for user in (ADA, EVE, ZOE):
        store.add([[Play(f"e-{user}", user, "a")]], [Impression(user, 1, user, "a", 0.5, "1", None, 1)])
    runs = [records(home, user) for user in (ADA, EVE, ZOE, "bob-the-builder")]
    (home.folder("reports") / "old.html").write_text(f"<h3>User {ADA}</h3>")
    (home.folder("reports") / "old.json").write_text("{}")
    (home.folder("mlflow", "artifacts", "x", "report") / "old.html").write_text(f"<h3>User {EVE}</h3>")
    (home.folder("reports") / "new.html").write_text("<h3>User 1</h3>")
    with gzip.open(home.folder("raw") / "libraries.json.gz", "wt") as raw:
        raw.write(json.dumps([ADA, EVE, ZOE], ensure_ascii=False))
    for user in (ADA, EVE, ZOE):
        assert places(home, user) >= {"lake", "dagster", "events", "raw"}
        store.forget(user)
    publish(lake, "interactions", ROWS[-1:])  # the next run
    done = erase(home)
    assert (done.versions, done.reports, done.busy) == (1, 2, []) and done.records
    assert not first.path.exists() and lake.current("interactions").rows == 1
    assert [path.name for path in home.folder("reports").iterdir()] == ["new.html"]
    for user in (ADA, EVE, ZOE):
        assert {held.place for held in holding(home, user)} == {"raw/libraries.json.gz", "events/events.db"}
        content = home.events_file.read_bytes()
        assert content.count(user.encode()) <= 2, "the list of the forgotten, and its index"
    with dg.DagsterInstance.local_temp(str(home.folder("dagster"))) as instance:
        assert all(instance.get_run_by_id(run_id).is_success for run_id in runs)
        (newest,) = instance.fetch_materializations(dg.AssetKey("interactions"), limit=1).records
        told = newest.asset_materialization.metadata
        assert told["worst"].value == "It is bob-the-builder." and told["fingerprint"].value == "abc"
        assert told["first rows"].value == "(removed, as it named users)"
    assert erase(home).versions == 0, "once more changes nothing"


def test_without_anybody_forgotten_nothing_is_erased(home: Home) -> None:
    publish(home.lake(), "interactions", ROWS)
    publish(home.lake(), "interactions", ROWS[1:])
    assert erase(home).versions == 0 and len(home.lake().versions("interactions")) == 2


def test_each_finding_says_when_it_goes(home: Home) -> None:
    publish(home.lake(), "interactions", ROWS[1:])
    publish(home.lake(), "interactions", ROWS)
    found = {held.place.split("/")[0]: held.goes for held in holding(home, ADA)}
    assert found == {"lake": "the next run makes it without the user"}
    publish(home.lake(), "interactions", ROWS[1:])
    assert [held.goes for held in holding(home, ADA)] == ["make erase removes it"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        (f"| {ADA} | 10 |", f"| {HIDDEN} | 10 |"),
        (f'"rows\\n{ADA}\\n"', f'"rows\\n{HIDDEN}\\n"'),
        (f"It was {ADA}.", f"It was {HIDDEN}."),
        (f"{ADA}2 x{ADA}", f"{ADA}2 x{ADA}"),  # others, whose ids begin or end like it
        ("u1 is nobody for sure", "u1 is nobody for sure"),  # too short to be told from another word
        (f"of {EVE}", f"of {HIDDEN}"),
        (json.dumps([EVE]), json.dumps([HIDDEN])),
        (json.dumps(f"It is\n{ZOE}."), json.dumps(f"It is\n{HIDDEN}.")),
        (json.dumps(json.dumps([ZOE, EVE])), json.dumps(json.dumps([HIDDEN, HIDDEN]))),
        (json.dumps([f"{ZOE}-2", f"x{ZOE}", f"{ZOE}é", f"é{ZOE}"]),) * 2,
        (f"<h3>{html.escape(TOM)}</h3>", f"<h3>{HIDDEN}</h3>"),
        (f"<h3>{markupsafe.escape(TOM)}</h3>", f"<h3>{HIDDEN}</h3>"),
        (json.dumps([FACES, FACES[:3]]), json.dumps([HIDDEN, FACES[:3]])),
    ],
)
def test_a_user_is_hidden_as_a_whole_word(text: str, hidden: str) -> None:
    assert hider([ADA, EVE, ZOE, TOM, FACES, "u1"])(text) == hidden


def test_a_database_that_is_in_use_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.release.erasure.BUSY_SECONDS", 0.1)
    records(home, ADA)
    SqliteEventStore(home.events_file).forget(ADA)
    database = next(home.folder("dagster").rglob("index.db"))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert erase(home).busy == [str(database)]
    assert erase(home).busy == [] and "dagster" not in places(home, ADA)


def test_versions_on_an_object_store_go_too_wherever_they_were_made(tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    elsewhere = Home(path=str(tmp_path / "one"), lake_address=str(bucket))
    publish(elsewhere.lake(), "interactions", ROWS)
    publish(elsewhere.lake(), "interactions", ROWS[-1:])
    home = Home(path=str(tmp_path / "other"), lake_address=str(bucket))
    SqliteEventStore(home.events_file).forget(ADA)
    assert len(list(bucket.rglob("*.parquet"))) == 2
    assert erase(home).versions == 1
    (left,) = bucket.rglob("*.parquet")
    assert left.parent.name == home.lake().published()["interactions"][:16]
    assert home.lake().current("interactions").rows == 1


@pytest.mark.parametrize(
    "user", ["interactions", "pipeline_name", '"__class__"', '", "', "DagsterRun", "event_specific_data"]
)
def test_whatever_somebody_calls_himself_the_records_stay_what_they_are(home: Home, user: str) -> None:
    """An id may be a name of ours, or a piece of the JSON that a record is."""
    run_id = records(home, user)
    (home.folder("reports") / "new.html").write_text(f"<h3>User 1</h3>{user}")
    SqliteEventStore(home.events_file).forget(user)
    assert erase(home).busy == []
    with dg.DagsterInstance.local_temp(str(home.folder("dagster"))) as instance:
        assert instance.get_run_by_id(run_id).is_success
        assert [run.run_id for run in instance.get_runs()] == [run_id]
        (newest,) = instance.fetch_materializations(dg.AssetKey("interactions"), limit=1).records
        told = newest.asset_materialization.metadata
        assert told["fingerprint"].value == "abc" and told["first rows"].value.startswith("(removed")
        assert (told["worst"].value == f"It is {HIDDEN}.") == (len(user) >= 6)


@pytest.mark.parametrize(
    ("record", "left"),
    [
        ({"name": "champion", "message": "champion"}, {"name": "champion", "message": HIDDEN}),
        (
            {"tags": {"champion": "1"}, "why": "of champion"},
            {"tags": {"champion": "1"}, "why": f"of {HIDDEN}"},
        ),
        (
            [{"text": json.dumps({"text": "champion", "a": 1})}],
            [{"text": json.dumps({"text": HIDDEN, "a": 1})}],
        ),
        ({"stack": ["champion\n"], "path": ["champion"]}, {"stack": [f"{HIDDEN}\n"], "path": ["champion"]}),
        (
            {"tags": {"for": "champion", "dagster/job": "champion", "nextplay/why": "champion"}},
            {"tags": {"for": HIDDEN, "dagster/job": "champion", "nextplay/why": "champion"}},
        ),
        ({"tags": [{"name": "champion"}]}, {"tags": [{"name": "champion"}]}),
        ("champion", "champion"),
        ("the champion.", f"the {HIDDEN}."),
    ],
)
def test_in_a_record_only_what_people_read_is_hidden(record: object, left: object) -> None:
    text = record if isinstance(record, str) else json.dumps(record)
    hidden = in_records(hider(["champion"]))(text, "")
    assert (hidden if isinstance(record, str) else json.loads(hidden)) == left


def test_a_tag_that_a_person_gave_a_run_is_hidden_and_one_that_dagster_reads_stays(home: Home) -> None:
    with dg.DagsterInstance.local_temp(str(home.folder("dagster"))) as instance:
        tags = {"for": ADA, "dagster/partition": ADA}
        run_id = instance.create_run_for_job(dg.job(name="made")(lambda: None), tags=tags).run_id
    SqliteEventStore(home.events_file).forget(ADA)
    assert erase(home).records == 1
    with dg.DagsterInstance.local_temp(str(home.folder("dagster"))) as instance:
        left = {"for": HIDDEN, "dagster/partition": ADA}
        assert instance.get_run_by_id(run_id).tags.items() >= left.items()
        assert [run.run_id for run in instance.get_runs(dg.RunsFilter(tags=left))] == [run_id]


@pytest.mark.parametrize("user", [ADA, ZOE])
def test_a_raw_file_is_looked_into_however_it_is_packed_and_written(home: Home, user: str) -> None:
    raw, line = home.folder("raw"), f"user_id,item_id\n{user},a\n" * 3
    (raw / "a.csv.bz2").write_bytes(bz2.compress(line.encode()))
    (raw / "b.csv.xz").write_bytes(lzma.compress(line.encode("utf-16")))
    (raw / "c.csv").write_bytes(line.encode("utf-16-be"))
    (raw / "d.csv.zst").write_bytes(pa.compress(line.encode(), "zstd", asbytes=True))
    (raw / "e.csv.gz").write_bytes(gzip.compress(line.encode() * 50_000)[:-9])  # cut off
    pq.write_table(pa.table({"who": pa.array([user, "b"]).dictionary_encode()}), raw / "f.parquet")
    pq.write_table(pa.table({"who": [user.encode()]}), raw / "g.parquet")
    there = sorted(f"raw/{path.name}" for path in raw.iterdir())
    assert [held.place for held in holding(home, user)] == there
    assert {held.goes for held in holding(home, user)} == {"you remove the user from the source"}


def test_a_number_is_a_user_of_the_source_alone(home: Home) -> None:
    """In our own tables users are text, and numbers are places and times."""
    pq.write_table(pa.table({"who": [765611979, 7]}), home.folder("raw") / "plays.parquet")
    publish(home.lake(), "interactions", [("bob", "a", 0, 765611979, None)])
    publish(home.lake(), "interactions", ROWS[-1:])
    SqliteEventStore(home.events_file).forget("765611979")
    assert [held.place for held in holding(home, "765611979")] == [
        "events/events.db",
        "raw/plays.parquet",
    ]
    assert erase(home).versions == 0


def test_a_damaged_table_keeps_nothing_from_being_erased(home: Home) -> None:
    for users in (ROWS, ROWS[1:], ROWS[-1:]):
        publish(home.lake(), "interactions", users)
    first = home.lake().versions("interactions")[0].path
    first.write_bytes(b"PAR1 no table any more")
    SqliteEventStore(home.events_file).forget(EVE)
    assert {held.place.split("/")[0] for held in holding(home, EVE)} == {"lake", "events"}
    assert erase(home).versions == 2 and not first.exists()


def test_the_reason_of_a_champion_names_nobody_any_more(home: Home) -> None:
    pointer = Pointer("../bundles/a", "3", "0" * 64, 1.0, f"promoted by bob: {ADA} has complained")
    home.champions().crown(pointer, {})
    SqliteEventStore(home.events_file).forget(ADA)
    assert {held.goes for held in holding(home, ADA) if held.place.startswith("champion/")} == {
        "make erase removes it"
    }
    erase(home)
    now = home.champions().current()
    assert now is not None and now.reason == f"promoted by bob: {HIDDEN} has complained"
    assert [reign.pointer for reign in home.champions().history()] == [now]
    assert places(home, ADA) == {"events"}
