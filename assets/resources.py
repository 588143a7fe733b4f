"""The configured things that assets work with; `pipelines.resources` fills them from the environment."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import Field

from assets.engines.engine import DuckDB, Engine
from assets.state.bundles import BundleStore
from assets.state.champions import Champions
from assets.state.lake import Lake, LakeError
from assets.state.remote_tables import RemoteTables
from assets.state.run_lock import database_lock
from assets.state.shared import SharedState
from assets.tracking.tracking import Tracking
from serving.state.event_stores import is_database, open_event_store
from serving.state.events import EventStore
from serving.state.storage import Store

if TYPE_CHECKING:
    from assets.engines.spark import Spark

log = logging.getLogger(__name__)


class Home(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder that holds all state, and the engine of the tables made in it with its limits.

    A run holds the folder's lock from its first to its last asset: a second one waits, and says so. Addresses
    with passwords are no settings that Dagster shows: NEXTPLAY_DATABASE names a Postgres database in which
    events are kept and runs of several machines wait for each other, NEXTPLAY_MLFLOW_URI a store of MLflow.
    """

    path: str = "var"
    events: str | None = None  # the endpoint's event store, where it is not in the home
    mlflow_artifacts: str | None = None  # an address, instead of a folder below the home
    lake_address: str | None = None  # of an object store: tables, bundles and champion are then there too
    memory_limit: str = "2GB"  # of DuckDB
    engine: str = "duckdb"  # or spark
    spark_master: str = "local[*]"
    spark_remote: str | None = None  # a Spark Connect server; it counts before the master
    spark_conf: dict[str, str] = Field(default_factory=dict)
    wait_for_other_run_s: float = 3600.0

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Home"]:
        with self.locked():
            yield self

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The right to change what is in the home; raises LakeError when another run does not end in time."""
        lock = FileLock(self.folder() / "run.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.warning("Another run works in %s: waiting for it.", self.path)
            try:
                lock.acquire(timeout=self.wait_for_other_run_s)
            except Timeout:
                raise LakeError(
                    f"Another run has worked in {self.path} for more than {self.wait_for_other_run_s:.0f} s: "
                    "wait until it has ended, or stop it, and run this again."
                ) from None
        try:
            with self._alone():
                if shared := self.shared():
                    shared.take_over()
                yield
        finally:
            lock.release()

    def _alone(self) -> AbstractContextManager[None]:
        """The right to work, among the machines that share a database."""
        return database_lock(self.database, self.wait_for_other_run_s) if self.database else nullcontext()

    @contextmanager
    def engine_on(self, *tables: str) -> Iterator[Engine]:
        """What makes and checks tables, with a view of each named table. Raises LakeError, SparkError."""
        if self.engine != "spark":
            with self.lake().connect(*tables) as connection:
                yield DuckDB(connection)
            return
        with self.spark() as spark:
            for table in tables:
                spark.open(table, self.lake().address(table))
            yield spark

    @contextmanager
    def spark(self) -> Iterator["Spark"]:
        """Spark with nothing open. Raises SparkError."""
        from assets.engines.spark import Spark, SparkSettings, session

        settings = SparkSettings(self.spark_master, self.spark_remote, self.spark_conf)
        spark = Spark(session(settings), self.lake().scratch(), self.lake())
        try:
            yield spark
        finally:
            spark.close()

    def folder(self, *parts: str) -> Path:
        """A folder below the home, made if it is missing."""
        folder = Path(self.path).resolve().joinpath(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def lake(self) -> Lake:
        remote = RemoteTables(Store(self.lake_address)) if self.lake_address else None
        return Lake(self.folder("lake"), self.memory_limit, remote)

    def bundles(self) -> BundleStore:
        return BundleStore(self.folder("bundles"), self.shared())

    def shared(self) -> SharedState | None:
        """What other machines see of this home, where the lake is on an object store."""
        return SharedState(self.folder(), Store(self.lake_address)) if self.lake_address else None

    def tracking(self) -> Tracking:
        return Tracking(self.folder("mlflow"), os.environ.get("NEXTPLAY_MLFLOW_URI"), self.mlflow_artifacts)

    def champions(self) -> Champions:
        shared = self.shared()
        return Champions(self.pointer_file, shared.put_champion if shared else None)

    @property
    def events_file(self) -> Path:
        """The endpoint's event store, which need not be there; see `serving.state.events`."""
        return Path(self.events) if self.events else self.folder() / "events" / "events.db"

    @property
    def database(self) -> str | None:
        return os.environ.get("NEXTPLAY_DATABASE") or None

    def event_store(self) -> EventStore | None:
        """The endpoint's event store, if there is one: what NEXTPLAY_EVENTS names comes first."""
        named = os.environ.get("NEXTPLAY_EVENTS", "")
        address = named if is_database(named) else self.database
        if address and not self.events:
            return open_event_store(address)
        return open_event_store(self.events_file) if self.events_file.exists() else None

    def forgotten_users(self) -> list[str]:
        """Who asked to be forgotten, sorted; raises EventStoreError."""
        store = self.event_store()
        if store is None:
            return []
        try:
            return store.forgotten_users()
        finally:
            store.close()

    @property
    def pointer_file(self) -> Path:
        """The pointer to the champion: what serving watches."""
        return self.folder("champion") / "pointer.json"


class Source(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where the raw files come from. An address is a path, a `file://` or an `http(s)://` address."""

    name: str = "sample"
    libraries: str | None = None
    games: str | None = None
    reviews: str | None = None
    table: str | None = None  # a file, a folder or a pattern
    table_items: str | None = None
    sample_size: str = "default"
    seed: int = 20181114


class Cleaning(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What an interaction must fulfil to be learned from."""

    min_playtime: int = 60  # minutes; an interaction needs more
    core: int = 5  # every user and item keeps at least as many interactions
    repeats: str = "first"  # of a user's plays of one item the first is kept, or all: "keep"
    max_quarantined_share: float = 0.01  # of the lines and of the items read
    max_shrink: float = 0.3  # share of the champion's interactions, users or items that may be gone


class Splitting(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How sequences are split: see `assets.sequences.splitting`."""

    split: str = "leave-one-out"
    cutoffs: str = "0.8,0.9"


class Training(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which networks are trained, and how; `changes` overrides their defaults by the names of the fields."""

    candidates: list[str] = Field(default_factory=lambda: ["gru4rec", "sasrec"])
    seed: int = 0
    threads: int | None = None
    changes: dict[str, Any] = Field(default_factory=dict)
    progress: bool = True


class Retention(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What is kept: see `assets.release.removals`."""

    candidates: int = 7  # the last ones of each architecture
    champions: int | None = None  # the last ones, with their inputs; all by default


class Gate(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What a candidate must fulfil to be promoted; see `models.evaluation.gate.Policy`."""

    max_age_days: float = 30.0
    min_coverage: float = 0.05


class Watching(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Above what a day counts as drifted; see `models.evaluation.drift`."""

    drift_bound: float = 0.05  # of a divergence, in bits
    rate_bound: float = 0.1  # of the share of unknown ids, and of answers by popularity
