"""The endpoint's settings, from environment variables with the prefix NEXTPLAY_."""

import os
from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

POINTER_FILE = "champion.json"  # beside the folders `serving` and `models` in a Bento
BUNDLE_FOLDER = "bundle"
BASELINES_FOLDER = "baselines"


Environment = TypeVar("Environment", bound=BaseSettings)


class Settings(BaseSettings):
    """`NEXTPLAY_POINTER` sets `pointer`, and so on."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    pointer: str | Path = Field(
        default_factory=lambda: Path(__file__).resolve().parents[1] / POINTER_FILE,
        description="names the champion: a file, or an address on an object store; a Bento has its own",
    )
    cache: Path | None = Field(
        default=None,
        description="a folder for what a pointer on an object store names; a temporary one by default",
    )
    poll_seconds: float = Field(default=1.0, gt=0, description="seconds between two looks at the pointer")
    scorer_threads: int = Field(
        default=1, ge=1, description="threads of one request; requests run side by side"
    )
    events: str | Path | None = Field(
        default=None,
        description="the event store, a file or postgresql://…; unset, neither events nor answers are kept",
    )
    impressions: bool = Field(
        default=True, description="log what was recommended, if there is an event store"
    )
    blocklist: Path | None = Field(
        default=None, description="a file of item ids that are never recommended, one a line"
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="keys separated by commas, of which a request carries one; unset, everybody may ask",
    )
    cors_origins: str = Field(
        default="",
        description="origins separated by commas whose pages may ask; unset, none but its own",
    )
    max_waiting: int = Field(
        default=32, ge=1, description="requests that may wait; more are refused with 503"
    )
    log_requests: bool = Field(default=True, description="write a log line for each request")
    reports: Path | None = Field(
        default=None,
        description="a folder of reports and the page of nights, shown at /reports/; unset, none are",
    )
    demo: bool = Field(
        default=True,
        description="show the page at /, and the baselines beside the champion",
    )


class Deployment(BaseSettings):
    """Where the endpoint listens, and in how many processes, under `python -m serving`."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", description="the address that the endpoint listens on")
    port: int = Field(default=3000, ge=0, le=65535, description="its port; 0 takes a free one")
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="processes that answer; one a core by default",
    )


def parts(text: str) -> list[str]:
    """What commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()]


def load(settings: type[Environment]) -> Environment:
    """The settings of this process; a wrong one ends it with one sentence."""
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"NEXTPLAY_{first['loc'][0]}".upper()
        raise SystemExit(f"{name}={first['input']} is no valid setting: {first['msg']}.") from None


def load_settings() -> Settings:
    return load(Settings)
