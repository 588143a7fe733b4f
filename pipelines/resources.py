"""Environment -> configured resources. Every setting is an environment variable with the prefix NEXTPLAY_."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import BaseModel, Field, Json, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assets.resources import Cleaning, Gate, Home, Retention, Source, Splitting, Training, Watching
from assets.sequences.splitting import Cutoffs, SplitError
from models.mistakes import UserError
from models.networks import NETWORKS
from serving.state.event_stores import is_database


class SettingsError(UserError):
    """An environment variable cannot be used; the message names it."""


def taken(
    resource: type[BaseModel], name: str, convert: Callable[[Any], Any] = lambda value: value, **rules: Any
) -> Any:
    """A setting with the default and the meaning of a resource's field; `rules` are for what people give."""
    field = resource.model_fields[name]
    return Field(default=convert(field.default), description=field.description, **rules)


class Settings(BaseSettings):
    """All settings; `NEXTPLAY_SOURCE` sets `source`, and so on."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True, extra="ignore")

    home: Path = taken(Home, "path", convert=Path)
    lake: str | None = taken(Home, "lake_address")
    events: str | None = taken(Home, "events")
    source: str = taken(Source, "name")
    steam_libraries: str | None = taken(Source, "libraries")
    steam_games: str | None = taken(Source, "games")
    steam_reviews: str | None = taken(Source, "reviews")
    table: str | None = taken(Source, "table")
    table_items: str | None = taken(Source, "table_items")
    repeats: Literal["first", "keep"] = taken(Cleaning, "repeats")
    split: Literal["leave-one-out", "temporal"] = taken(Splitting, "split")
    cutoffs: str = taken(Splitting, "cutoffs")
    sample_size: str = taken(Source, "sample_size")
    sample_seed: int = taken(Source, "seed")
    min_playtime: int = taken(Cleaning, "min_playtime", ge=0)
    core: int = taken(Cleaning, "core", ge=1)
    max_quarantined_share: float = taken(Cleaning, "max_quarantined_share", ge=0, le=1)
    max_shrink: float = taken(Cleaning, "max_shrink", ge=0, le=1)
    memory_limit: str = taken(Home, "memory_limit")
    engine: Literal["duckdb", "spark"] = taken(Home, "engine")
    spark_master: str = taken(Home, "spark_master")
    spark_remote: str | None = taken(Home, "spark_remote")
    spark_conf: Json[dict[str, str]] = Field(
        default="{}",
        validate_default=True,
        description='settings of Spark as JSON, such as {"spark.executor.memory": "8g"}',
    )
    candidates: str = Field(
        default=",".join(Training().candidates),
        description=f"networks to train, separated by commas, of {', '.join(NETWORKS)}",
    )
    seed: int = taken(Training, "seed", ge=0)
    threads: int | None = taken(Training, "threads", ge=1)
    training: Json[dict[str, Any]] = Field(
        default="{}",
        validate_default=True,
        description='changes of how networks are trained as JSON, such as {"epochs": 3}',
    )
    progress: bool = taken(Training, "progress")
    max_age_days: float = taken(Gate, "max_age_days", gt=0)
    min_coverage: float = taken(Gate, "min_coverage", ge=0, le=1)
    keep_candidates: int = taken(Retention, "candidates", ge=1)
    keep_champions: int | None = taken(Retention, "champions", ge=3)
    nightly: str = Field(default="30 2 * * *", description="cron of the nightly run")
    timezone: str = Field(default="UTC", description="time zone of the nightly run")
    retrain_events: int = Field(
        default=10_000, ge=0, description="new events after which a run starts early; 0 for never"
    )
    watch: str = Field(default="15 */6 * * *", description="cron of the look at drift and online results")
    drift_bound: float = taken(Watching, "drift_bound", ge=0, le=1)
    rate_bound: float = taken(Watching, "rate_bound", ge=0, le=1)
    alert_webhook: SecretStr | None = Field(
        default=None, description="address that is told of every failed run; a secret"
    )

    @field_validator("candidates")
    @classmethod
    def _candidates(cls, text: str) -> str:
        unknown = sorted(set(text.split(",")) - set(NETWORKS))
        if unknown:
            raise ValueError(f"there is no network {unknown[0]!r}; there are {', '.join(NETWORKS)}")
        return text

    def webhook(self) -> str | None:
        """The address that alerts go to, if any; a secret."""
        return self.alert_webhook.get_secret_value() if self.alert_webhook else None

    @field_validator("cutoffs")
    @classmethod
    def _cutoffs(cls, text: str) -> str:
        try:
            Cutoffs.from_text(text)
        except SplitError as error:
            raise ValueError(str(error).rstrip(".")) from None
        return text


def read_settings() -> Settings:
    """The settings of this process; raises SettingsError with one sentence a mistake."""
    try:
        return Settings()
    except ValidationError as error:
        mistakes = [
            f"NEXTPLAY_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise SettingsError("; ".join(mistakes) + ".") from None


def home_of(settings: Settings) -> Home:
    """The home as the settings have it."""
    return Home(
        path=str(settings.home),
        events=settings.events if settings.events and not is_database(settings.events) else None,
        lake_address=settings.lake,
        memory_limit=settings.memory_limit,
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
        sample_size=settings.sample_size,
        seed=settings.sample_seed,
    )


def training_of(settings: Settings) -> Training:
    """Which networks are trained, and how."""
    return Training(
        candidates=settings.candidates.split(","),
        seed=settings.seed,
        threads=settings.threads,
        changes=settings.training,
        progress=settings.progress,
    )


def retention(settings: Settings) -> Retention:
    """What is kept."""
    return Retention(candidates=settings.keep_candidates, champions=settings.keep_champions)


def resources(settings: Settings) -> dict[str, dg.ConfigurableResource[Any]]:
    """What the assets ask for by name."""
    return {
        "home": home_of(settings),
        "source": source_of(settings),
        "cleaning": Cleaning(
            min_playtime=settings.min_playtime,
            core=settings.core,
            repeats=settings.repeats,
            max_quarantined_share=settings.max_quarantined_share,
            max_shrink=settings.max_shrink,
        ),
        "splitting": Splitting(split=settings.split, cutoffs=settings.cutoffs),
        "training": training_of(settings),
        "watching": Watching(drift_bound=settings.drift_bound, rate_bound=settings.rate_bound),
        "retention": retention(settings),
        "gate_policy": Gate(max_age_days=settings.max_age_days, min_coverage=settings.min_coverage),
    }
