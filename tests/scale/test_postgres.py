"""Shared state in a real Postgres: events, runs that wait for each other, MLflow and Dagster."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import create_engine, inspect, text

from assets.release import run_records
from assets.release.erasure import erase
from assets.resources import Home
from assets.state.lake import LakeError
from assets.tracking.tracking import Tracking
from serving.state.event_stores import open_event_store
from serving.state.events import Conflict, EventStoreError, Impression, Play, Stored
from tests.scale.servers import Postgres


def plays(start: int, count: int, user: str = "u") -> list[Play]:
    return [Play(f"{user}{i}", user, f"i{i % 7}", played_at=i) for i in range(start, start + count)]


# --- events


def test_events_are_stored_once_and_read_in_order(database: str) -> None:
    store = open_event_store(database)
    shown = [Impression("r", rank, "u" if rank else None, "i", 0.5, "1", None, 9) for rank in range(3)]
    assert store.add([plays(0, 3), plays(1, 3)], shown) == [Stored(3, 0, 0), Stored(1, 2, 0)]
    assert store.add([], shown) == []
    assert store.add([[Play("u1", "u", "another", played_at=1)]]) == [Conflict("u1", "item_id")]
    assert [event.event_id for event in store.events()] == ["u0", "u1", "u2", "u3"]
    assert len(list(store.impressions())) == 3
    assert store.plays("u", limit=2) == ["i2", "i3"]
    assert store.last_sequence() > 0
    assert list(store.events(store.last_sequence())) == []
    store.close()


def test_a_forgotten_user_stays_forgotten(database: str) -> None:
    store = open_event_store(database)
    shown = [Impression("r", 1, "u", "i", 0.5, "1", "popularity", 9)]
    store.add([plays(0, 3)], shown)
    removed = store.forget("u")
    assert (removed.events, removed.impressions) == (3, 1)
    assert store.add([plays(5, 1)], shown) == [Stored(0, 0, 1)]
    assert store.is_forgotten("u")
    assert store.forgotten_users() == ["u"]
    assert list(store.events()) == list(store.impressions()) == []
    store.close()


def test_two_endpoints_at_once_lose_and_double_nothing(database: str) -> None:
    """Both send the same events, as a client does that tries again elsewhere; a reader never misses one."""
    stores = [open_event_store(database) for _ in range(2)]
    seen: list[str] = []
    done = threading.Event()

    def read() -> None:
        last, reader = 0, open_event_store(database)
        while True:
            ended = done.is_set()
            for event in reader.events(last):
                assert event.sequence >= last
                seen.append(event.event_id)
                last = event.sequence
            if ended:
                return

    with ThreadPoolExecutor(9) as pool:
        reading = pool.submit(read)
        writing = [
            pool.submit(stores[i % 2].add, [plays(40 * (i // 2) + j, 4, "u") for j in range(0, 40, 4)])
            for i in range(40)
        ]
        answers = [answer for future in writing for answer in future.result()]
        done.set()
        reading.result()
    assert sum(answer.stored for answer in answers) == 800
    assert sum(answer.repeated for answer in answers) == 800
    assert sorted(seen) == sorted({f"u{i}" for i in range(800)}), "each once"
    for store in stores:
        store.close()


def test_stores_that_open_together_make_one(database: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_event_store(database), range(6)))
    assert stores[0].add([plays(0, 1)]) == [Stored(1, 0, 0)]
    assert [event.event_id for event in stores[5].events()] == ["u0"]


def test_a_store_works_again_after_the_database_was_away(tmp_path: Path) -> None:
    server = Postgres(Path("/tmp") / f"nextplay-{tmp_path.name}-{time.time_ns()}")
    server.create()
    try:
        store = open_event_store(server.address("events"))
        assert store.add([plays(0, 2)]) == [Stored(2, 0, 0)]
        server.stop()
        with pytest.raises(EventStoreError):
            store.add([plays(2, 2)])
        server.start()
        assert store.add([plays(0, 4)]) == [Stored(2, 2, 0)]
    finally:
        server.stop()


def test_what_is_old_leaves_the_store_in_small_commits(database: str) -> None:
    store = open_event_store(database)
    shown = [Impression(f"r{n}", 1, "u", "i", 0.5, "1", None, n) for n in range(10)]
    store.add([plays(0, 5)], shown)
    before = store.size()
    assert before.tables > 0 and before.log == 0
    assert [store.remove_impressions(shown_before=5, at_most=3) for _ in range(3)] == [3, 2, 0]
    assert [one.shown_at for one in store.impressions()] == [5, 6, 7, 8, 9]
    assert store.remove_events(["u0", "u1", "none"]) == 2
    assert [event.event_id for event in store.events()] == ["u2", "u3", "u4"]
    assert store.compact()
    store.close()


def test_a_reader_changes_nothing_and_makes_nothing(database: str) -> None:
    with pytest.raises(EventStoreError, match="does not exist"):
        open_event_store(database, at_once=False, reader=True).plays("u")
    store = open_event_store(database)
    store.add([plays(0, 2)])
    reader = open_event_store(database, at_once=False, reader=True)
    assert reader.plays("u") == ["i0", "i1"] and not reader.is_forgotten("u")
    with pytest.raises(EventStoreError, match="read-only"):
        reader.add([plays(2, 1)])
    for one in (store, reader):
        one.close()


def test_an_address_of_nothing_is_told_without_its_password() -> None:
    with pytest.raises(EventStoreError) as error:
        open_event_store("postgresql://me:hidden@127.0.0.1:1/none")
    assert "hidden" not in str(error.value)


# --- runs


def test_runs_of_two_machines_wait_for_each_other(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_DATABASE", database)
    one, other = Home(path=str(tmp_path / "one")), Home(path=str(tmp_path / "other"))
    order: list[str] = []
    inside = threading.Event()

    def first() -> None:
        with one.locked():
            inside.set()
            time.sleep(0.5)
            order.append("one")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    impatient = Home(path=str(tmp_path / "third"), wait_for_other_run_s=0.1)
    with pytest.raises(LakeError, match="Another run has worked on the shared state"), impatient.locked():
        pass
    with other.locked():
        order.append("other")
    thread.join()
    assert order == ["one", "other"]


def test_a_database_that_is_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_DATABASE", "postgresql://me:hidden@127.0.0.1:1/none")
    with (
        pytest.raises(LakeError, match="NEXTPLAY_DATABASE cannot be reached") as error,
        Home(path=str(tmp_path)).locked(),
    ):
        pass
    assert "hidden" not in str(error.value)


# --- MLflow and Dagster


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_machines_that_register_at_once_share_one_registry(
    database: str, tmp_path: Path, bundle: Path
) -> None:
    Tracking(tmp_path, database)  # makes the tables

    def register(number: int) -> str:
        tracking = Tracking(tmp_path, database)
        with tracking.run("sasrec", f"fingerprint {number}") as run:
            run.metrics({"ndcg@10": 0.1})
            run.model(bundle)
        return tracking.register(run.run_id, f"hash {number}", "x")

    with ThreadPoolExecutor(3) as pool:
        versions = list(pool.map(register, range(3)))
    assert sorted(versions) == ["1", "2", "3"]
    tracking = Tracking(tmp_path, database)
    tracking.set_champion(versions[0])
    assert Tracking(tmp_path, database).champion() == versions[0] == tracking.version_of("hash 0")


def test_mlflow_waits_for_a_database_that_comes_back(tmp_path: Path) -> None:
    server = Postgres(Path("/tmp") / f"nextplay-{tmp_path.name}-{time.time_ns()}")
    server.create()
    try:
        tracking = Tracking(tmp_path, server.address("mlflow"))
        absent = threading.Thread(target=server.away, args=(3,))
        absent.start()
        time.sleep(0.5)
        with tracking.run("sasrec", "x") as run:
            run.metrics({"ndcg@10": 0.5})
        absent.join()
        assert Tracking(tmp_path, server.address("mlflow")).champion() is None
    finally:
        server.stop()


def test_two_instances_of_dagster_share_their_runs(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_DAGSTER_DATABASE", postgres.dagster_address("dagster"))
    monkeypatch.setenv("DAGSTER_FILES", str(tmp_path / "files"))
    root = Path(__file__).parents[2]
    homes = [tmp_path / "one", tmp_path / "other"]
    for home in homes:
        home.mkdir()
        (home / "dagster.yaml").write_text((root / "deploy" / "dagster.yaml").read_text())

    @dg.asset
    def made() -> int:
        return 1

    with (
        dg.DagsterInstance.from_config(str(homes[0])) as one,
        dg.DagsterInstance.from_config(str(homes[1])) as other,
    ):
        result = dg.materialize([made], instance=one)
        assert other.get_run_by_id(result.run_id).is_success
        assert other.get_latest_materialization_event(dg.AssetKey("made")) is not None


def test_erasing_reaches_dagsters_records(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run that has shown a user: in metadata, in a tag, in a log line; another user stays."""
    address = postgres.dagster_address("erased")
    monkeypatch.setenv("NEXTPLAY_DAGSTER_DATABASE", address)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv("DAGSTER_FILES", str(tmp_path / "files"))
    (tmp_path / "dagster").mkdir()
    deployed = Path(__file__).parents[2] / "deploy" / "dagster.yaml"
    (tmp_path / "dagster" / "dagster.yaml").write_text(deployed.read_text())
    shown = {
        "first rows": dg.MetadataValue.md("| user_id |\n| --- |\n| neighbour-1 |"),
        "who": "marked-user-1",
    }

    @dg.asset
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        context.log.info("marked-user-1 came, and neighbour-1.")
        return dg.MaterializeResult(metadata=shown)

    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        run = dg.materialize([made], instance=instance, tags={"for": "marked-user-1"}).run_id
        home = Home(path=str(tmp_path / "home"))
        store = open_event_store(home.events_file)
        store.forget("marked-user-1")
        store.close()
        assert in_database(address, "marked-user-1") > 0
        assert erase(home).records > 0
        assert in_database(address, "marked-user-1") == 0
        assert in_database(address, "neighbour-1 |") == 0  # previews go as a whole
        assert in_database(address, "neighbour-1.") > 0
        assert instance.get_run_by_id(run).is_success
        assert instance.get_latest_materialization_event(dg.AssetKey("made")) is not None
    assert erase(home).records == 0


def test_records_of_old_runs_go_from_postgres_and_logs_from_the_machine(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = postgres.dagster_address("old_runs")
    monkeypatch.setenv("NEXTPLAY_DAGSTER_DATABASE", address)
    monkeypatch.setenv("DAGSTER_FILES", str(tmp_path / "files"))
    monkeypatch.setattr(run_records, "SEARCHED", 1)
    (tmp_path / "dagster").mkdir()
    deployed = Path(__file__).parents[2] / "deploy" / "dagster.yaml"
    (tmp_path / "dagster" / "dagster.yaml").write_text(deployed.read_text())

    @dg.asset(check_specs=[dg.AssetCheckSpec("whole", asset="made")])
    def made() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="whole")])

    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        runs = [dg.materialize([made], instance=instance).run_id for _ in range(2)]
        engine = create_engine(address)
        with engine.begin() as connection:
            connection.execute(text("UPDATE runs SET create_timestamp = '2020-01-01'"))
        engine.dispose()
        home = Home(path=str(tmp_path / "home"))
        assert run_records.old_runs(instance, home, 400) == runs[:1]
        assert run_records.records_size(instance, runs) > 0
        run_records.remove_runs(instance, runs[:1])
        assert in_database(address, runs[0]) == 0 and not any((tmp_path / "files").rglob(runs[0]))
        assert in_database(address, runs[1]) > 0 and any((tmp_path / "files").rglob(runs[1]))
        assert run_records.old_runs(instance, home, 400) == []


def in_database(address: str, what: str) -> int:
    """How many texts of a database hold something."""
    engine = create_engine(address)
    with engine.connect() as connection:
        found = 0
        for table in inspect(connection).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                found += sum(isinstance(value, str) and what in value for value in row)
    engine.dispose()
    return found
