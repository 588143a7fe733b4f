"""Environment -> configured resources. Every setting is an environment variable with the prefix NEXTPLAY_.

`Only` beside a setting says where it has an effect; docs/settings.md shows it, and a run warns of others.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import dagster as dg
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    Json,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from assets.formats.reading import missing_texts
from assets.ingest.sources import SOURCES, dated_sources
from assets.resources import Cleaning, Gate, Home, Retention, Shared, Source, Splitting, Training, Watching
from assets.sequences.splitting import AUTO, TEMPORAL
from models.mistakes import UserError
from models.networks import NETWORKS
from models.stages.names import STAGED
from pipelines import checked
from pipelines.checked import MOST
from serving.environment import (
    ONCE,
    Local,
    Only,
    Port,
    conditions,
    faults_in_names,
    faults_in_values,
    names_of,
    secrets_of,
    variable,
)
from serving.settings import Client, Deployment
from serving.settings import Settings as Endpoint
from serving.state.event_stores import is_database

HUNDRED_YEARS = 36_500.0  # in days


class SettingsError(UserError):
    """An environment variable cannot be used; the message names it."""


def taken(
    resource: type[BaseModel], name: str, convert: Callable[[Any], Any] = lambda value: value, **rules: Any
) -> Any:
    """A setting with the default and the meaning of a resource's field; `rules` are for what people give."""
    field = resource.model_fields[name]
    default = convert(field.get_default(call_default_factory=True))
    return Field(default=default, description=field.description, **rules)


SAMPLES = Only("source", ("sample", "sample-dated", "sample-repeats"))
TABLE = Only("source", ("table",))
SPARK = Only("engine", ("spark",))
RANKED = Only("candidates", tuple(STAGED))
CODED = Only(
    "candidates",
    tuple(name for name, network in NETWORKS.items() if network.settings.get("codes")),
    otherwise=Only("training", ('{"codes": true}',)),
)
LIBRARIES = Only("source", tuple(name for name, source in SOURCES.items() if not source.dated))


class Settings(BaseSettings):
    """All settings; `NEXTPLAY_SOURCE` sets `source`, and so on."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True, extra="ignore")

    home: Annotated[Local, AfterValidator(checked.home)] = taken(Home, "path", convert=Path)
    mlflow_experiment: Annotated[str, AfterValidator(checked.mlflow_name)] = taken(Home, "mlflow_experiment")
    mlflow_model: Annotated[str, AfterValidator(checked.mlflow_name)] = taken(Home, "mlflow_model")
    lake: Annotated[str | None, AfterValidator(checked.store)] = taken(Home, "lake_address")
    events: Annotated[str | None, AfterValidator(checked.events)] = taken(Home, "events")
    source: Annotated[str, AfterValidator(checked.source)] = taken(Source, "name")
    steam_libraries: Annotated[str | None, Only("source", ("steam",))] = taken(Source, "libraries")
    steam_games: Annotated[str | None, Only("source", ("steam", "steam-reviews"))] = taken(Source, "games")
    steam_reviews: Annotated[str | None, Only("source", ("steam-reviews",))] = taken(Source, "reviews")
    table: Annotated[str | None, Only("source", ("table",))] = taken(Source, "table")
    table_items: Annotated[str | None, Only("source", ("table",))] = taken(Source, "table_items")
    columns: Annotated[Json[dict[str, str]], ONCE, AfterValidator(checked.columns), TABLE] = taken(
        Source,
        "columns",
        convert=lambda _: "{}",
        validate_default=True,
        examples=['{"user_id": "customer"}'],
    )
    missing: Annotated[str, AfterValidator(checked.missing), TABLE] = taken(
        Source, "missing", convert=",".join
    )
    time_format: Annotated[str | None, AfterValidator(checked.time_format), TABLE] = taken(
        Source, "time_format"
    )
    repeats: Literal["first", "keep"] = taken(Cleaning, "repeats")
    split: Literal["auto", "leave-one-out", "temporal"] = taken(Splitting, "split")
    cutoffs: Annotated[
        str,
        AfterValidator(checked.cutoffs),
        Only("split", (AUTO, TEMPORAL)),
        Only("source", tuple(dated_sources())),
    ] = taken(Splitting, "cutoffs")
    exclude_seen: Literal["auto", "yes", "no"] = taken(Splitting, "exclude_seen")
    new_items: int = taken(Splitting, "new_items", ge=0, le=36_525)
    hold_back: Annotated[str | None, AfterValidator(checked.hold_back)] = taken(Cleaning, "hold_back")
    sample_size: Annotated[str, AfterValidator(checked.sample_size), SAMPLES] = taken(Source, "sample_size")
    sample_seed: Annotated[int, SAMPLES] = taken(Source, "seed", ge=0, le=MOST)
    min_playtime: Annotated[int, LIBRARIES] = taken(Cleaning, "min_playtime", ge=0, le=MOST)
    core: int = taken(Cleaning, "core", ge=1, le=MOST)
    max_quarantined_share: float = taken(Cleaning, "max_quarantined_share", ge=0, le=1)
    max_shrink: float = taken(Cleaning, "max_shrink", ge=0, le=1)
    memory_limit: Annotated[str, AfterValidator(checked.memory)] = taken(Home, "memory_limit")
    reports_url: Annotated[str, AfterValidator(checked.page)] = taken(Home, "reports_url")
    engine: Literal["duckdb", "spark"] = taken(Home, "engine")
    spark_master: Annotated[str, SPARK] = taken(Home, "spark_master")
    spark_remote: Annotated[str | None, SPARK] = taken(Home, "spark_remote")
    spark_conf: Annotated[Json[dict[str, str]], ONCE, SPARK] = Field(
        default="{}",
        validate_default=True,
        description='settings of Spark as JSON, such as {"spark.executor.memory": "8g"}',
        examples=['{"spark.executor.memory": "8g"}'],
    )
    candidates: Annotated[str, AfterValidator(checked.candidates)] = Field(
        default=",".join(Training().candidates),
        description=f"networks to train, separated by commas, of {', '.join(NETWORKS)}; and rankers of what "
        f"one of them retrieves: {', '.join(STAGED)}",
    )
    seed: int = taken(Training, "seed", ge=0, le=MOST)
    threads: int = taken(Training, "threads", ge=1, le=checked.MOST_THREADS)
    training: Annotated[Json[dict[str, Any]], ONCE, AfterValidator(checked.training)] = Field(
        default="{}",
        validate_default=True,
        description='changes of how networks are trained as JSON, such as {"epochs": 3}',
        examples=['{"epochs": 5}'],
    )
    search_minutes: float = taken(Training, "search_minutes", ge=0, le=10_080)
    blend: Literal["auto", "one", "all", "no"] = taken(Training, "blend")
    rerank: Annotated[Json[dict[str, Any]], ONCE, AfterValidator(checked.rerank), RANKED] = Field(
        default="{}",
        validate_default=True,
        description=Training.model_fields["rerank"].description,
        examples=['{"diversity": 0.3, "at_most": {"genres": 4}}'],
    )
    semantic_ids: Annotated[Literal["kmeans", "rqvae"], CODED] = taken(Training, "semantic_ids")
    refit: bool = taken(Training, "refit")
    warm_start: Literal["auto", "yes", "no"] = taken(Training, "warm_start")
    progress: bool = taken(Training, "progress")
    verbose: bool = Field(
        default=False, description="show checks, and what steps say of themselves, as nextplay run -v does"
    )
    max_age_days: float = taken(Gate, "max_age_days", gt=0, le=HUNDRED_YEARS)
    min_coverage: float = taken(Gate, "min_coverage", ge=0, le=1)
    keep_candidates: int = taken(Retention, "candidates", ge=1, le=MOST)
    keep_champions: int | None = taken(Retention, "champions", ge=3, le=MOST)
    keep_events_days: int = taken(Retention, "events_days", ge=1, le=int(HUNDRED_YEARS))
    keep_impressions_days: int = taken(Retention, "impressions_days", ge=1, le=int(HUNDRED_YEARS))
    keep_runs_days: int = taken(Retention, "runs_days", ge=0, le=int(HUNDRED_YEARS))
    backups: Local | None = Field(
        default=None,
        description="folder outside of the home that a backup goes to each week; without it none is made",
    )
    keep_backups: Annotated[int, Only("backups")] = Field(
        default=4,
        ge=1,
        le=MOST,
        description="backups kept there; older ones go once a new one is found to work",
    )
    weekly: Annotated[str, AfterValidator(checked.cron), Only("backups")] = Field(
        default="0 5 * * 0", description="cron of the backup"
    )
    nightly: Annotated[str, AfterValidator(checked.cron)] = Field(
        default="30 2 * * *", description="cron of the nightly run"
    )
    timezone: Annotated[str, AfterValidator(checked.timezone)] = Field(
        default="UTC", description="time zone of the crons"
    )
    retrain_events: int = Field(
        default=10_000, ge=0, le=MOST, description="new events after which a run starts early; 0 for never"
    )
    watch: Annotated[str, AfterValidator(checked.cron)] = Field(
        default="15 */6 * * *", description="cron of the look at drift and online results"
    )
    drift_bound: float = taken(Watching, "drift_bound", ge=0, le=1)
    rate_bound: float = taken(Watching, "rate_bound", ge=0, le=1)
    alert_webhook: Annotated[SecretStr | None, AfterValidator(checked.webhook)] = Field(
        default=None, description="address that is told of every failed run; a secret"
    )

    @model_validator(mode="before")
    @classmethod
    def _source_by_what_is_given(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Where no source is named, that of a setting which only one source reads."""
        if given.get("source"):
            return given
        owners = {
            only.values[0]: variable(name)
            for name, field in cls.model_fields.items()
            for only in conditions(field)
            if given.get(name) and only.setting == "source" and len(only.values) == 1
        }
        if len(owners) > 1:
            raise ValueError(
                f"{' and '.join(owners.values())} belong to different sources: set NEXTPLAY_SOURCE to "
                f"{' or '.join(owners)}"
            )
        return {**given, "source": next(iter(owners))} if owners else given

    @model_validator(mode="after")
    def _times_for_a_split_by_time(self) -> "Settings":
        if self.split == TEMPORAL and not SOURCES[self.source].dated:
            dated = " or ".join(dated_sources())
            raise ValueError(
                f"NEXTPLAY_SPLIT={self.split} needs plays with a time, and the source {self.source} has "
                f"none: set NEXTPLAY_SPLIT=leave-one-out, or take a dated source ({dated})"
            )
        return self

    @model_validator(mode="after")
    def _training_once(self) -> "Settings":
        for name in ("seed", "threads"):
            inside, own = self.training.get(name), getattr(self, name)
            if name in self.training and name in self.model_fields_set and inside != own:
                raise ValueError(
                    f"{variable(name)}={own} and NEXTPLAY_TRAINING with {name}={inside} are one setting with "
                    "two values: leave one of them out"
                )
        return self

    @model_validator(mode="after")
    def _spark_once(self) -> "Settings":
        given = {name: getattr(self, name) for name in ("spark_master", "spark_remote")}
        given = {name: value for name, value in given.items() if name in self.model_fields_set and value}
        inside = [key for key in ("spark.master", "spark.remote") if key in self.spark_conf]
        places = [f"{variable(name)}={value}" for name, value in given.items()]
        places += [f"NEXTPLAY_SPARK_CONF with {key}={self.spark_conf[key]}" for key in inside]
        if len(places) > 1:
            raise ValueError(
                f"{' and '.join(places)} both say where Spark runs: leave all but one of them out"
            )
        return self

    @property
    def shows_progress(self) -> bool:
        """As it is set; else where somebody may look on."""
        return self.progress and ("progress" in self.model_fields_set or sys.stderr.isatty())

    @property
    def repeats_kept(self) -> str:
        """As it is set; else as the source has it."""
        own = SOURCES[self.source].repeats
        return own if own and "repeats" not in self.model_fields_set else self.repeats

    def webhook(self) -> str | None:
        """The address that alerts go to, if any; a secret."""
        return self.alert_webhook.get_secret_value() if self.alert_webhook else None


class Servers(BaseSettings):
    """Where the other servers listen; each command has the options --host and --port, too."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    ui_port: Port = Field(default=3001, description="of Dagster's UI; 0 takes a free one")
    mlflow_port: Port = Field(default=5000, description="of MLflow's UI; 0 takes a free one")
    demo_port: Port = Field(default=3000, description="of the champion's page; 0 takes a free one")


GROUPS: dict[str, tuple[type[BaseSettings], str]] = {
    "The pipeline": (Settings, "Read by every command and by Dagster, when it starts."),
    "Several machines": (Shared, "For more than one machine, see [scale.md](scale.md). They are secrets."),
    "The endpoint": (Endpoint, "Read by `nextplay serve`, `nextplay demo`, `python -m serving` and a Bento."),
    "The endpoint's port": (Deployment, "Read by `nextplay serve` and `python -m serving`."),
    "Other servers": (Servers, "Read by `nextplay ui`, `nextplay mlflow` and `nextplay demo`."),
    "Requests": (Client, "Read by `make load`, which asks a running endpoint."),
}


def read_settings() -> Settings:
    """The settings of this process; raises SettingsError with one sentence a mistake."""
    faults = list(_faults())
    if faults:
        raise SettingsError(f"{'; '.join(faults)}.")
    return Settings()


def _faults() -> Iterator[str]:
    """What is wrong with the names, and with the values of the pipeline and its servers."""
    groups = [group for group, _ in GROUPS.values()]
    yield from faults_in_names(os.environ, names_of(groups), all_known=True, secrets=secrets_of(groups))
    for group in (Settings, Shared, Servers, Deployment):
        try:
            group()
        except ValidationError as error:
            yield from faults_in_values(error, group)


def home_of(settings: Settings) -> Home:
    """The home as the settings have it."""
    return Home(
        path=str(settings.home),
        events=settings.events if settings.events and not is_database(settings.events) else None,
        lake_address=settings.lake,
        mlflow_experiment=settings.mlflow_experiment,
        mlflow_model=settings.mlflow_model,
        memory_limit=settings.memory_limit,
        reports_url=settings.reports_url,
        engine=settings.engine,
        spark_master=settings.spark_master,
        spark_remote=settings.spark_remote,
        spark_conf=settings.spark_conf,
    )


def source_of(settings: Settings) -> Source:
    """The source as the settings have it."""
    return Source(
        name=settings.source,
        libraries=settings.steam_libraries,
        games=settings.steam_games,
        reviews=settings.steam_reviews,
        table=settings.table,
        table_items=settings.table_items,
        columns=settings.columns,
        missing=missing_texts(settings.missing),
        time_format=settings.time_format,
        sample_size=settings.sample_size,
        seed=settings.sample_seed,
    )


def training_of(settings: Settings) -> Training:
    """Which networks are trained, and how."""
    return Training(
        candidates=settings.candidates.split(","),
        seed=settings.training.get("seed", settings.seed),
        threads=settings.training.get("threads", settings.threads),
        changes={name: value for name, value in settings.training.items() if name not in ("seed", "threads")},
        search_minutes=settings.search_minutes,
        blend=settings.blend,
        rerank=settings.rerank,
        semantic_ids=settings.semantic_ids,
        refit=settings.refit,
        warm_start=settings.warm_start,
        progress=settings.shows_progress,
    )


def retention(settings: Settings) -> Retention:
    """What is kept."""
    return Retention(
        candidates=settings.keep_candidates,
        champions=settings.keep_champions,
        events_days=settings.keep_events_days,
        impressions_days=settings.keep_impressions_days,
        runs_days=settings.keep_runs_days,
    )


def resources(settings: Settings) -> dict[str, dg.ConfigurableResource[Any]]:
    """What the assets ask for by name."""
    return {
        "home": home_of(settings),
        "source": source_of(settings),
        "cleaning": Cleaning(
            min_playtime=settings.min_playtime,
            core=settings.core,
            repeats=settings.repeats_kept,
            hold_back=settings.hold_back,
            max_quarantined_share=settings.max_quarantined_share,
            max_shrink=settings.max_shrink,
        ),
        "splitting": Splitting(
            split=settings.split,
            cutoffs=settings.cutoffs,
            exclude_seen=settings.exclude_seen,
            new_items=settings.new_items,
        ),
        "training": training_of(settings),
        "watching": Watching(drift_bound=settings.drift_bound, rate_bound=settings.rate_bound),
        "retention": retention(settings),
        "gate_policy": Gate(max_age_days=settings.max_age_days, min_coverage=settings.min_coverage),
    }
