"""The configured things that assets work with; `pipelines.resources` fills them from the environment."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from filelock import FileLock, Timeout
from pydantic import Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assets.engines.engine import DuckDB, Engine
from assets.formats.reading import AS_IT_IS, MISSING, Reading
from assets.sample import SEED
from assets.state.bundles import BundleStore
from assets.state.champions import Champions
from assets.state.change import Change
from assets.state.given_up import ended_when_given_up
from assets.state.home_id import home_id
from assets.state.lake import MEMORY_LIMIT, Lake, LakeError
from assets.state.remote_tables import RemoteTables
from assets.state.run_lock import database_lock
from assets.state.shared import SharedState
from assets.tracking.tracking import NAME, Tracking
from models.config import TrainConfig
from models.evaluation.evidence import Policy
from models.memory import check_room
from models.stages.names import networks_of
from models.stages.reranking import Rules
from serving.state.event_stores import HOW_TO_CLEAR, is_clear, is_database, open_event_store
from serving.state.events import EventStore
from serving.state.pointer import Pointer
from serving.state.storage import Store

if TYPE_CHECKING:
    from assets.engines.spark import Spark

log = logging.getLogger(__name__)

ADDRESSES = 4_000_000_000  # bytes that a run on the smallest sample takes, 0.9 GB of them memory


class Shared(BaseSettings):
    """What several machines share; read where it is used, as Dagster shows what it is told."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    database: SecretStr | None = Field(
        default=None,
        description="Postgres that keeps events, and in which runs of several machines wait their turn",
    )
    mlflow_uri: SecretStr | None = Field(default=None, description="a database or a server of MLflow")
    dagster_database: SecretStr | None = Field(
        default=None,
        description="Postgres that keeps Dagster's records, with deploy/dagster.yaml in DAGSTER_HOME",
    )

    @field_validator("database")
    @classmethod
    def _postgres(cls, database: SecretStr | None) -> SecretStr | None:
        if database is not None and not is_database(database.get_secret_value()):
            raise ValueError("give an address that begins with postgresql://")
        if database is not None and not is_clear(database.get_secret_value()):
            raise ValueError(f"the address is not clear: {HOW_TO_CLEAR}")
        return database

    def address(self, name: str) -> str | None:
        """One of them with its password, if it is set."""
        secret: SecretStr | None = getattr(self, name)
        return secret.get_secret_value() if secret else None


class Home(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder that holds all state, and the engine of the tables made in it with its limits.

    A run holds the folder's lock from its first to its last asset: a second one waits, and says so.
    """

    path: str = Field(default="var", description="the folder of all state")
    events: str | None = Field(
        default=None, description="the endpoint's event store, where it is not in the home"
    )
    mlflow_artifacts: str | None = None  # an address, instead of a folder below the home
    mlflow_experiment: str = Field(default=NAME, description="MLflow's experiment that runs are logged to")
    mlflow_model: str = Field(default=NAME, description="MLflow's registered model that versions are of")
    lake_address: str | None = Field(
        default=None, description="where tables, bundles and champion are shared, such as s3://bucket/prefix"
    )
    memory_limit: str = Field(default=MEMORY_LIMIT, description="memory that DuckDB may take")
    engine: str = Field(default="duckdb", description="what makes the tables: duckdb or spark")
    spark_master: str = Field(default="local[*]", description="where Spark runs, as Spark writes it")
    spark_remote: str | None = Field(
        default=None, description="a Spark Connect server such as sc://host:15002, instead of a master"
    )
    spark_conf: dict[str, str] = Field(default_factory=dict)
    reports_url: str = Field(
        default="http://127.0.0.1:3002/",
        description="where a browser finds the page of nights and the reports; `nextplay ui` serves them at "
        "its port, unless it has a path",
    )
    wait_for_other_run_s: float = 3600.0
    _finished: Change | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Home"]:
        check_room(ADDRESSES)
        with self.locked(), _ended_with_its_run(context):
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
                self._finished = self.champions().finish()
                yield
        finally:
            lock.release()

    @property
    def finished(self) -> Change | None:
        """The change of champion that was stopped on its way, and finished when this home was locked."""
        return self._finished

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

    @property
    def id(self) -> str:
        """Which home this is, among those that register in one MLflow. Raises HomeIdError."""
        return home_id(self.folder(), alone=not self.lake_address)

    def lake(self) -> Lake:
        remote = RemoteTables(Store(self.lake_address)) if self.lake_address else None
        return Lake(self.folder("lake"), self.memory_limit, remote)

    def bundles(self) -> BundleStore:
        return BundleStore(self.folder("bundles"), self.shared())

    def shared(self) -> SharedState | None:
        """What other machines see of this home, where the lake is on an object store."""
        return SharedState(self.folder(), Store(self.lake_address)) if self.lake_address else None

    def tracking(self) -> Tracking:
        return Tracking(
            self.folder("mlflow"),
            Shared().address("mlflow_uri"),
            self.mlflow_artifacts,
            home=self.id,
            experiment=self.mlflow_experiment,
            model=self.mlflow_model,
        )

    def champions(self) -> Champions:
        shared = self.shared()
        return Champions(self.pointer_file, shared.put_champion if shared else None, self._tell_mlflow)

    def _tell_mlflow(self, pointer: Pointer) -> None:
        """Set the alias; where MLflow is away, what serves is as it should be, and the next run sets it."""
        try:
            self.tracking().set_champion(pointer.version)
        except Exception as error:  # of the network, of a database, of MLflow: none may undo what serves
            log.warning(
                "Version %s serves, and MLflow could not be told (%s): the next run does it.",
                pointer.version,
                str(error).splitlines()[0] if str(error) else type(error).__name__,
            )

    @property
    def events_file(self) -> Path:
        """The endpoint's event store, which need not be there; see `serving.state.events`."""
        return Path(self.events) if self.events else self.folder() / "events" / "events.db"

    @property
    def database(self) -> str | None:
        return Shared().address("database")

    @property
    def event_database(self) -> str | None:
        """The address of the database that keeps events, where one does: NEXTPLAY_EVENTS comes first."""
        if self.events:
            return None
        named = os.environ.get("NEXTPLAY_EVENTS", "")
        return named if is_database(named) else self.database

    def event_store(self) -> EventStore | None:
        """The endpoint's event store, if there is one. Raises EventStoreError."""
        if address := self.event_database:
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

    name: str = Field(
        default="sample", description="where raw files come from, such as sample, steam or table"
    )
    libraries: str | None = Field(
        default=None, description="path or address instead of the published libraries"
    )
    games: str | None = Field(default=None, description="path or address instead of the published catalogue")
    reviews: str | None = Field(default=None, description="path or address instead of the published reviews")
    table: str | None = Field(
        default=None,
        description="CSV or Parquet of user_id, item_id, timestamp: a file, a folder or a pattern",
    )
    table_items: str | None = Field(default=None, description="CSV or Parquet of item_id, title, ...")
    columns: dict[str, str] = Field(
        default_factory=dict,
        description='names of columns of the table and its items as JSON, such as {"user_id": "uid"}',
    )
    missing: list[str] = Field(
        default_factory=lambda: list(MISSING),
        description="texts that stand for a missing value in the table and its items, beside the empty one",
    )
    time_format: str | None = Field(
        default=None,
        description="form of the times of the table, where neither ISO nor numbers, such as %m/%d/%Y %H:%M",
    )
    sample_size: str = Field(default="default", description="size of the sample: tiny, default or larger")
    seed: int = Field(default=SEED, description="seed of the sample generator")

    def reading(self) -> Reading:
        """How the files of a table are to be read; those of other sources are read as they are."""
        if self.name != "table":
            return AS_IT_IS
        return Reading(self.columns, tuple(self.missing), self.time_format)


def _ended_with_its_run(context: dg.InitResourceContext) -> AbstractContextManager[None]:
    """A run that counts as failed or stopped ends, also where it hangs; one in memory nobody gives up."""
    instance, run_id = context.instance, context.run_id
    if instance is None or run_id is None or instance.is_ephemeral:
        return nullcontext()

    def is_given_up() -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)

    return ended_when_given_up(is_given_up)


LAST = "last"  # of `Cleaning.hold_back`: the last play of each user


class Cleaning(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What an interaction must fulfil to be learned from."""

    min_playtime: int = Field(default=60, description="minutes that a play of known length has to exceed")
    core: int = Field(default=5, description="plays that every user and item keeps at least")
    repeats: str = Field(
        default="first",
        description="of a user's plays of one item in a dated source: first, or keep for all; unset, "
        "sample-repeats keeps all",
    )
    hold_back: str | None = Field(
        default=None,
        description="plays that nothing learns from, to measure what is served: last (of each user), or all "
        "from a time on",
    )
    max_quarantined_share: float = Field(
        default=0.01, description="share of lines or items that may be quarantined; more fails the run"
    )
    max_shrink: float = Field(
        default=0.3,
        description="share of plays, users or items gone since the champion was made; more fails the run",
    )


class Splitting(dg.ConfigurableResource):  # type: ignore[type-arg]
    """How sequences are split: see `assets.sequences.splitting`."""

    split: str = Field(
        default="auto",
        description="what is held out: each user's last play (leave-one-out), all plays of a last stretch of "
        "time (temporal), or auto: the latter where the plays have times of a clock",
    )
    cutoffs: str = Field(default="0.8,0.9", description="of a temporal split: shares, dates or numbers")
    exclude_seen: str = Field(
        default="auto",
        description="leave out of the answers what a user has played before: yes, no, or auto by the data",
    )
    new_items: int = Field(
        default=0,
        ge=0,
        le=36_525,
        description="days before the newest play: catalogue items that came out since then, or come later, "
        "are in the vocabulary although nobody has played them; 0: none",
    )


class Training(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which networks are trained, and how; `changes` overrides their defaults by the names of the fields."""

    candidates: list[str] = Field(default_factory=lambda: ["gru4rec", "sasrec"])
    seed: int = Field(default=0, description="seed of training")
    threads: int = Field(
        default=TrainConfig.threads, description="threads of one training; candidates train side by side"
    )
    changes: dict[str, Any] = Field(default_factory=dict)
    search_minutes: float = Field(
        default=0.0,
        description="minutes that the networks of a night share to search for settings better than the "
        "defaults, on validation; what was found is used until the data change much; 0: the defaults",
    )
    blend: str = Field(
        default="auto",
        description="blend a network with baselines: one (of the two best networks the one whose blend is "
        "better), all of them, no, or auto: one, unless the networks to train are named",
    )
    rerank: dict[str, Any] = Field(
        default_factory=dict,
        description="how two_stage and sasrec_ranked put a list together, as JSON: "
        '{"diversity": 0.3, "at_most": {"developer": 2}} prefers what is unlike the items before it, and '
        "shows two items of a developer before others; nothing: by the ranker alone",
    )
    semantic_ids: str = Field(
        default="kmeans",
        description="how codebooks of semantic ids are learned: kmeans or rqvae; a change gives items "
        "other codes",
    )
    refit: bool = Field(default=True, description="train the winner once more on everything, and serve that")
    warm_start: str = Field(
        default="auto",
        description="start the training of a network from the weights of the last night's, and a refit from "
        "those of the judged network: yes, no, or auto: where a training from nothing takes many minutes",
    )
    progress: bool = Field(default=True, description="show progress bars; unset, on a terminal alone")

    @property
    def networks(self) -> list[str]:
        """That are trained: the candidates, and those that retrieve for one."""
        return networks_of(self.candidates)

    @property
    def rules(self) -> Rules:
        """Of re-ranking. Raises ValueError for what are none."""
        return Rules.of(self.rerank)


class Retention(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What is kept: see `assets.release.removals`."""

    candidates: int = Field(default=7, description="candidates kept of each architecture, with their inputs")
    champions: int | None = Field(
        default=None, description="champions kept, with their inputs; all by default"
    )
    events_days: int = Field(
        default=90, description="days that events stay in the event store once a run has taken them in"
    )
    impressions_days: int = Field(
        default=35, description="days that what was shown stays in the event store once it is counted"
    )
    runs_days: int = Field(
        default=400, description="days that Dagster's records of an ended run stay; 0: for ever"
    )


class Gate(dg.ConfigurableResource):  # type: ignore[type-arg]
    """What a candidate must fulfil to be promoted; see `models.evaluation.gate.Policy`."""

    max_age_days: float = Field(
        default=Policy.max_age_days,
        description="days after which a champion is old: an unchanged night runs, too, and an equal "
        "candidate replaces it also with few test users",
    )
    min_coverage: float = Field(
        default=Policy.min_coverage,
        description="least coverage: the share of the catalogue in the top 10 of the test users, of what so "
        "many lists could show",
    )


class Watching(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Above what a day counts as drifted; see `models.evaluation.drift`."""

    drift_bound: float = Field(
        default=0.05, description="divergence (bits) above which a day counts as drifted"
    )
    rate_bound: float = Field(
        default=0.1, description="share of unknown ids or fallbacks above which a day counts as drifted"
    )
