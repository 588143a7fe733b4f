"""The endpoint's settings, from environment variables with the prefix NEXTPLAY_."""

from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

POINTER_FILE = "champion.json"  # beside the folders `serving` and `models` in a Bento
BUNDLE_FOLDER = "bundle"
BASELINES_FOLDER = "baselines"


Environment = TypeVar("Environment", bound=BaseSettings)


class Settings(BaseSettings):
    """`NEXTPLAY_POINTER` names the pointer to follow; unset, the bundle packaged with the code is served.

    The pointer may be on an object store; what it names is then copied to `NEXTPLAY_CACHE`.
    `NEXTPLAY_EVENTS` names the event store; unset, no events are taken and no answers logged.
    """

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    pointer: str | Path = Path(__file__).resolve().parents[1] / POINTER_FILE
    cache: Path | None = None  # a folder of this machine; one below the system's temporary folder by default
    poll_seconds: float = Field(default=1.0, gt=0)  # between two looks at the pointer
    scorer_threads: int = Field(default=1, ge=1)  # of one request; requests run side by side
    events: str | Path | None = None  # a file, or postgresql://…
    impressions: bool = True  # log what was recommended, where there is an event store
    blocklist: Path | None = None  # item ids that are never recommended, one a line
    api_keys: SecretStr = SecretStr("")  # separated by commas; unset, everybody may ask
    cors_origins: str = ""  # separated by commas; unset, no page of another origin may ask
    max_waiting: int = Field(default=32, ge=1)  # requests; more are refused with 503
    log_requests: bool = True  # a log line a request
    demo: bool = True  # the page at /, what it asks for, and the baselines that it shows


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
