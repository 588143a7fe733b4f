"""Each format with a bumped version, without one, and as garbage: read, or refused in a helpful sentence."""

import importlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.evaluation.gate import FORMATS as VERDICT
from assets.evaluation.gate import GATE, read_verdict
from assets.evaluation.reporting.facts import read_facts
from assets.resources import Home
from assets.state.backup import back_up, verified
from assets.state.made_here import publish_row, read_row
from models.bundle.bundle import read_manifest
from models.bundle.formats import Format
from models.mistakes import UserError
from models.release import RELEASE
from serving.state.event_stores import open_event_store
from serving.state.pointer import read_pointer
from serving.state.user_state import SNAPSHOT_FILE, open_snapshot, write_snapshot
from tests.fixtures.last_release import unpack
from tests.support.champions import write_baseline

NEWER = 99


@dataclass(frozen=True)
class Kept:
    """Something that outlives a release: how it is made, given another format, and read."""

    make: Callable[[Path], Path]
    set_format: Callable[[Path, object], None]
    read: Callable[[Path], object]


def in_json(path: Path, value: object) -> None:
    """Give a JSON file another format; None takes it away."""
    values = json.loads(path.read_text())
    values = {name: kept for name, kept in values.items() if name != "format"}
    path.write_text(json.dumps(values if value is None else values | {"format": value}))


def in_sqlite(path: Path, value: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {value or 0}")
    connection.close()


def written(name: str, values: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(values))
        return folder / name

    return write


def bundle(folder: Path) -> Path:
    write_baseline(folder / "b", 1)
    return folder / "b" / "manifest.json"


def snapshot(folder: Path) -> Path:
    write_snapshot(folder / SNAPSHOT_FILE, [("ada", ["1"])], "made from", 1)
    return folder / SNAPSHOT_FILE


def events(folder: Path) -> Path:
    open_event_store(folder / "events.db").close()
    return folder / "events.db"


def read_events(path: Path) -> None:
    store = open_event_store(path)
    try:
        store.forgotten_users()
    finally:
        store.close()


def backup(folder: Path) -> Path:
    (folder / "home").mkdir()
    (folder / "home" / "kept.txt").write_text("kept")
    back_up(folder / "home", folder / "backup")
    return folder / "backup" / "manifest.json"


def table(folder: Path) -> Path:
    lake = Home(path=str(folder)).lake()
    publish_row(lake, GATE, "1" * 64, dict.fromkeys(GATE.schema.names))
    return lake.current("gate").path.with_name("version.json")


POINTER = {"bundle": "b", "version": "1", "bundle_hash": "0", "promoted_at": 1.0}
KINDS = {
    "bundle": Kept(bundle, in_json, lambda path: read_manifest(path.parent)),
    "pointer": Kept(written("pointer.json", POINTER), in_json, read_pointer),
    "tables": Kept(
        written("lake/pointer.json", {"clean": "1" * 64}),
        in_json,
        lambda path: Home(path=str(path.parents[1])).lake().published(),
    ),
    "a table": Kept(table, in_json, lambda path: Home(path=str(path.parents[4])).lake().current("gate")),
    "bundles": Kept(
        written("bundles/current.json", {"markov": "markov-1"}),
        in_json,
        lambda path: Home(path=str(path.parents[1])).bundles().currents(),
    ),
    "users": Kept(snapshot, in_sqlite, open_snapshot),
    "events": Kept(events, in_sqlite, read_events),
    "backup": Kept(backup, in_json, lambda path: verified(path.parent)),
}
WITH_FORMATS = (
    *("models.bundle.bundle", "serving.state.pointer", "serving.state.user_state"),
    *("serving.state.events_sqlite", "assets.state.lake", "assets.state.bundles", "assets.state.backup"),
)
ALWAYS_HAD_ONE = ("bundle", "users", "events", "backup")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(kind: str, tmp_path: Path) -> None:
    assert KINDS[kind].read(KINDS[kind].make(tmp_path)) != "unread"


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_newer_release_it_is_told_what_to_do(kind: str, tmp_path: Path) -> None:
    made = KINDS[kind].make(tmp_path)
    KINDS[kind].set_format(made, NEWER)
    with pytest.raises(UserError) as refused:
        KINDS[kind].read(made)
    told = str(refused.value)
    assert f"is of format {NEWER}, written by a newer release; this one, {RELEASE}, reads format" in told
    assert "run the newer release, or restore a backup" in told and told.count("\n") == 0


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_version_it_is_of_the_first_format_or_refused(kind: str, tmp_path: Path) -> None:
    made = KINDS[kind].make(tmp_path)
    KINDS[kind].set_format(made, None)
    if kind in ALWAYS_HAD_ONE:
        with pytest.raises(UserError, match="format"):
            KINDS[kind].read(made)
    else:
        KINDS[kind].read(made)


@pytest.mark.parametrize("garbage", [b"", b"\0" * 64, b"{half", b"[1]", b"3", b'{"format": "new"}'])
@pytest.mark.parametrize("kind", KINDS)
def test_garbage_is_one_sentence(kind: str, garbage: bytes, tmp_path: Path) -> None:
    made = KINDS[kind].make(tmp_path)
    made.write_bytes(garbage)
    with pytest.raises(UserError) as refused:
        KINDS[kind].read(made)
    assert str(refused.value).count("\n") == 0


def test_this_one_and_the_one_before_are_read() -> None:
    both = Format(3, oldest=2)
    assert both.problem("It", 2) is None and both.problem("It", 3) is None
    assert "too old; this release" in (both.problem("It", 1) or "")
    assert "newer release" in (both.problem("It", 4) or "")
    for garbage in (0, -1, True, "3", None, 2.5):
        assert "is damaged" in (both.problem("It", garbage) or "")


def test_the_next_release_still_reads_what_this_one_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = dict[str, Path]()
    for kind, kept in KINDS.items():
        (tmp_path / kind).mkdir()
        made[kind] = kept.make(tmp_path / kind)
    for module in WITH_FORMATS:
        now: Format = importlib.import_module(module).FORMATS
        monkeypatch.setattr(f"{module}.FORMATS", Format(now.current + 1, oldest=now.current))
    for kind, path in made.items():
        KINDS[kind].read(path)


@pytest.fixture
def judged(tmp_path: Path) -> Home:
    return Home(path=str(unpack(tmp_path / "judged")))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": NEWER}, "is of format 99, written by a newer release"),
        ({"estimates": '[{"of": "another"}]'}, "cannot be read: materialize leaderboard and gate again"),
        ({"override": "{half"}, "cannot be read: materialize leaderboard and gate again"),
    ],
)
def test_a_verdict_of_another_kind_is_one_sentence(
    change: dict[str, object], told: str, judged: Home
) -> None:
    row = read_row(judged.lake(), GATE)
    assert "format" not in row and read_verdict(judged).reasons
    publish_row(judged.lake(), GATE, "2" * 64, row | {"format": VERDICT.current} | change)
    with pytest.raises(UserError, match=told):
        read_verdict(judged)


@pytest.mark.parametrize("text", ["", "[1]", "{half", '{"format": 99, "headline": "x"}'])
def test_facts_of_a_report_that_cannot_be_read_are_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    assert read_facts(tmp_path / "r.html") == {}
    (tmp_path / "r.json").write_text('{"headline": "of before"}')
    assert read_facts(tmp_path / "r.html") == {"headline": "of before"}


def test_a_newer_store_of_mlflow_is_one_sentence(mlflow_folder: Path) -> None:
    from assets.tracking.mlflow_store import TrackingError, prepare

    shutil.copy(mlflow_folder / "mlflow.db", mlflow_folder / "newer.db")
    connection = sqlite3.connect(mlflow_folder / "newer.db")
    connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.commit()
    connection.close()
    before = (mlflow_folder / "newer.db").read_bytes()
    with pytest.raises(TrackingError, match="written by a newer MLflow"):
        prepare(mlflow_folder / "newer.db")
    assert (mlflow_folder / "newer.db").read_bytes() == before
