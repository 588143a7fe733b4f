"""Environment -> configured resources. Every setting is an environment variable with the prefix NEXTPLAY_."""

from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field, Json, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from assets.resources import Cleaning, Gate, Home, Retention, Source, Splitting, Training, Watching
from assets.sequences.splitting import Cutoffs, SplitError
from models.networks import NETWORKS
from serving.state.event_stores import is_database


class SettingsError(Exception):
    """An environment variable cannot be used; the message names it."""


class Settings(BaseSettings):
    """All settings, with their defaults; `NEXTPLAY_SOURCE` sets `source`, and so on."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True, extra="ignore")

    home: Path = Field(default=Path("var"), description="the folder of all state")
    lake: str | None = Field(
        default=None, description="where tables, bundles and champion are shared, such as s3://bucket/prefix"
    )
    events: str | None = Field(default=None, description="the endpoint's event store, if not in the home")
    source: str = Field(default="sample", description="where raw files come from")
    steam_libraries: str | None = Field(
        default=None, description="path or address instead of the published libraries"
    )
    steam_games: str | None = Field(
        default=None, description="path or address instead of the published catalogue"
    )
    steam_reviews: str | None = Field(
        default=None, description="path or address instead of the published reviews"
    )
    table: str | None = Field(
        default=None,
        description="CSV or Parquet of user_id, item_id, timestamp: a file, a folder or a pattern",
    )
    table_items: str | None = Field(default=None, description="CSV or Parquet of item_id, title, ...")
    repeats: Literal["first", "keep"] = Field(
        default="first", description="of the plays of one item by one user in a table"
    )
    split: Literal["leave-one-out", "temporal"] = Field(
        default="leave-one-out", description="what is trained on, and what is held out"
    )
    cutoffs: str = Field(default="0.8,0.9", description="of a temporal split: shares, dates or numbers")
    sample_size: str = Field(default="default", description="tiny, default or larger")
    sample_seed: int = Field(default=Source().seed, description="seed of the sample generator")
    min_playtime: int = Field(default=60, ge=0, description="minutes; an interaction needs more")
    core: int = Field(default=5, ge=1, description="interactions that every user and item keeps at least")
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="of lines and of items; more fails"
    )
    max_shrink: float = Field(
        default=0.3, ge=0, le=1, description="of the source since the champion was made; more fails"
    )
    memory_limit: str = Field(default="2GB", description="of DuckDB")
    engine: Literal["duckdb", "spark"] = Field(default="duckdb", description="what makes the tables")
    spark_master: str = Field(default="local[*]", description="where Spark runs")
    spark_remote: str | None = Field(
        default=None, description="a Spark Connect server such as sc://host:15002, instead of a master"
    )
    spark_conf: Json[dict[str, str]] = Field(
        default="{}", validate_default=True, description='JSON, for example {"spark.executor.memory": "8g"}'
    )
    candidates: str = Field(
        default="gru4rec,sasrec", description=f"networks to train, of {', '.join(NETWORKS)}"
    )
    seed: int = Field(default=0, ge=0, description="of training")
    threads: int | None = Field(default=None, ge=1, description="of training; all cores by default")
    training: Json[dict[str, Any]] = Field(
        default="{}", validate_default=True, description='JSON, for example {"epochs": 3}'
    )
    progress: bool = Field(default=True, description="progress bars")
    max_age_days: float = Field(
        default=30.0, gt=0, description="after which an equal candidate replaces the champion"
    )
    min_coverage: float = Field(
        default=0.05, ge=0, le=1, description="share of the catalogue in the test users' top 10"
    )
    keep_candidates: int = Field(default=7, ge=1, description="of each architecture, with their inputs")
    keep_champions: int | None = Field(default=None, ge=3, description="with their inputs; all by default")
    nightly: str = Field(default="30 2 * * *", description="cron of the nightly run")
    timezone: str = Field(default="UTC", description="of the nightly run")
    retrain_events: int = Field(
        default=10_000, ge=0, description="new events after which a run starts early; 0 for never"
    )
    watch: str = Field(default="15 */6 * * *", description="cron of the look at drift and online results")
    drift_bound: float = Field(
        default=0.05, ge=0, le=1, description="divergence (bits) above which a day counts as drifted"
    )
    rate_bound: float = Field(
        default=0.1, ge=0, le=1, description="share of unknown ids or fallbacks above which it does"
    )
    alert_webhook: SecretStr | None = Field(default=None, description="is told of every failed run")

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
