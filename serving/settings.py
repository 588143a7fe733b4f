"""The endpoint's settings, from environment variables with the prefix NEXTPLAY_."""

import ipaddress
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    Json,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.cores import usable_cores
from models.feedback import KINDS, Feedback, FeedbackError
from serving import blocklist
from serving.environment import (
    ONCE,
    Local,
    Only,
    Port,
    expanded,
    faults_in_names,
    faults_in_values,
    is_link,
    names_of,
    secrets_of,
    variable,
    without_effect,
)
from serving.keys import Keys
from serving.mirror import Mirror
from serving.state.event_stores import is_database, open_event_store
from serving.state.events import EventStoreError
from serving.state.storage import StorageError, is_address

POINTER_FILE = "champion.json"  # beside the folders `serving` and `models` in a Bento
BUNDLE_FOLDER = "bundle"
BASELINES_FOLDER = "baselines"
LOCKS = ("api_keys", "api_keys_file", "hosts", "blocklist")  # which, empty, would keep nobody and nothing out
HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*")


Environment = TypeVar("Environment", bound=BaseSettings)


def _place(given: object) -> object:
    """A path with `~` written out; an address as it is."""
    return given if isinstance(given, str) and is_address(given) else expanded(given)


def _feedback(table: dict[str, Any]) -> dict[str, Any]:
    try:
        Feedback.of(table)
    except FeedbackError as error:
        raise ValueError(str(error)) from None
    return table


Place = Annotated[str | Path, BeforeValidator(_place)]


class Settings(BaseSettings):
    """`NEXTPLAY_POINTER` sets `pointer`, and so on."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    pointer: Place = Field(
        default_factory=lambda: Path(__file__).resolve().parents[1] / POINTER_FILE,
        description="names the champion: a file, or an address on an object store; a Bento has its own",
    )
    cache: Local | None = Field(
        default=None,
        description="a folder for what a pointer on an object store names; a temporary one by default",
    )
    poll_seconds: float = Field(
        default=1.0, gt=0, le=86_400, description="seconds between two looks at the pointer"
    )
    scorer_threads: int = Field(
        default=1, ge=1, le=1_024, description="threads of one request; requests run side by side"
    )
    events: Place | None = Field(
        default=None,
        description="the event store, a file or postgresql://…; unset, neither events nor answers are kept",
    )
    impressions: Annotated[bool, Only("events")] = Field(
        default=True, description="log what was recommended, if there is an event store"
    )
    feedback: Annotated[Json[dict[str, Any]], ONCE, AfterValidator(_feedback), Only("events")] = Field(
        default=json.dumps(dict(KINDS)),
        validate_default=True,
        description="what each kind of event counts, as JSON: 1 a play, 0 nothing, -1 a refusal; or by the "
        'least value, as in {"rating": {"1": -1, "3": 0, "4": 1}}',
        examples=['{"like": 1, "dislike": -1}'],
    )
    trend_seconds: Annotated[float, Only("events")] = Field(
        default=300.0,
        ge=0,
        le=86_400,
        description="seconds after which plays since the training count in recent popularity; 0: never",
    )
    explore: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of answers that give their last place to a new item; its chance is logged",
    )
    blocklist: Local | None = Field(
        default=None, description="a file of item ids that are never recommended, one a line"
    )
    api_keys: SecretStr = Field(
        default=SecretStr(""),
        description="keys separated by commas, plain or hashed, with roles as in read:KEY; "
        "a request carries one; unset, everybody may ask",
    )
    api_keys_file: Local | None = Field(
        default=None,
        description="a file of further keys, one a line, each with its roles; changes count without a "
        "restart",
    )
    hosts: str = Field(
        default="",
        description="host names that a request may carry, separated by commas; unset, any, but on this "
        "machine's loopback without keys only localhost and addresses",
    )
    cors_origins: str = Field(
        default="",
        description="origins separated by commas whose pages may ask; unset, none but its own",
    )
    max_waiting: int = Field(
        default=32, ge=1, le=1_000_000, description="requests that may wait; more are refused with 503"
    )
    max_connections: int = Field(
        default=1_000,
        ge=8,
        le=1_000_000,
        description="connections of a worker; one more takes the place of the quietest",
    )
    log_requests: bool = Field(default=True, description="write a log line for each request")
    reports: Local | None = Field(
        default=None,
        description="a folder of reports and the page of nights, shown at /reports/; unset, none are",
    )
    demo: bool = Field(
        default=True,
        description="show the page at /, and the baselines beside the champion",
    )

    @field_validator("api_keys")
    @classmethod
    def _keys(cls, keys: SecretStr) -> SecretStr:
        Keys(keys.get_secret_value())
        return keys

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        _all(origins, "origin", _is_origin, "write each as https://shop.example, without a path")
        return origins

    @field_validator("hosts")
    @classmethod
    def _hosts(cls, hosts: str) -> str:
        _all(hosts, "name", _is_host, "write each as play.example.com, without scheme, port and path")
        return hosts

    @field_validator("pointer")
    @classmethod
    def _pointer(cls, pointer: str | Path) -> str | Path:
        place, _, name = str(pointer).rpartition("/")
        on_store = is_address(str(pointer))
        if not name or (on_store and "/" not in str(pointer).partition("://")[2]) or place.endswith(":/"):
            raise ValueError("it names no file: give one, such as s3://bucket/lake/champion/pointer.json")
        return pointer

    @field_validator("events")
    @classmethod
    def _events(cls, events: str | Path | None) -> str | Path | None:
        if isinstance(events, str) and is_address(events) and not is_database(events):
            raise ValueError("it is neither a file nor a database: give a path, or postgresql://…")
        return events


class Deployment(BaseSettings):
    """Where the endpoint listens, and in how many processes, under `python -m serving`."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    host: str = Field(default="127.0.0.1", description="the address that the endpoint listens on")
    port: Port = Field(default=3000, description="its port; 0 takes a free one")
    workers: int = Field(
        default_factory=usable_cores,
        ge=1,
        le=1_024,
        description="processes that answer, under python -m serving alone; one a usable core by default",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_links(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if name != "port" or not is_link(value)}


class Client(BaseSettings):
    """What asks a running endpoint: `make load`."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    url: str = Field(default="http://127.0.0.1:3000", description="the endpoint that is asked")
    api_key: SecretStr = Field(default=SecretStr(""), description="the key that its requests carry")


GROUPS = (Settings, Deployment, Client)


def parts(text: str) -> list[str]:
    """What commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()]


def load(settings: type[Environment]) -> Environment:
    """The settings of this process; a wrong one, or a misspelt name, ends it with one sentence."""
    known = names_of(GROUPS)
    blank = [name for name in known if os.environ.get(name) and not os.environ[name].strip()]
    if blank:
        raise SystemExit(f"{' and '.join(blank)} is blank: give it a value, or unset it.")
    if faults := list(faults_in_names(os.environ, known, False, secrets_of(GROUPS))):
        raise SystemExit(f"{'; '.join(faults)}.")
    try:
        return settings()
    except ValidationError as error:
        raise SystemExit(f"{'; '.join(faults_in_values(error, settings))}.") from None


def load_settings() -> Settings:
    """The endpoint's settings; those without effect are told. Ends the process as `load` does, and where what
    locks something is set and empty, or names a file that cannot be read."""
    if faults := list(_open_locks(os.environ)):
        raise SystemExit(f"{'; '.join(faults)}.")
    settings = load(Settings)
    with _readable("blocklist", settings.blocklist):
        if settings.blocklist is not None:
            blocklist.read(settings.blocklist)
    keys = keys_of(settings)
    if load(Client).api_key.get_secret_value() and not keys:
        raise SystemExit(
            "NEXTPLAY_API_KEY is what a client sends, and without NEXTPLAY_API_KEYS this endpoint would ask "
            "nobody for a key: set NEXTPLAY_API_KEYS, or unset NEXTPLAY_API_KEY."
        )
    for sentence in without_effect(settings):
        sys.stderr.write(f"{sentence}\n")
    return settings


def check_addresses(settings: Settings) -> None:
    """End the process where an address could never be reached, whatever happens: no worker would start."""
    setting = "events"
    try:
        if is_database(str(settings.events)):
            open_event_store(str(settings.events), at_once=False).close()
        setting = "pointer"
        if is_address(str(settings.pointer)):
            Mirror(str(settings.pointer), settings.cache)
    except (EventStoreError, StorageError) as error:
        raise SystemExit(f"{variable(setting)}: {error}") from None


def keys_of(settings: Settings) -> Keys:
    """The keys that requests carry; ends the process with one sentence where their file cannot be read."""
    with _readable("api_keys_file", settings.api_keys_file):
        return Keys(settings.api_keys.get_secret_value(), settings.api_keys_file, settings.poll_seconds)


@contextmanager
def _readable(setting: str, file: Path | None) -> Iterator[None]:
    try:
        yield
        return
    except OSError as error:
        told = f"it cannot be read ({error.strerror or error}): put it there, or unset the setting"
    except ValueError as error:
        told = str(error).rstrip(".")
    raise SystemExit(f"{variable(setting)}={str(file)!r}: {told}.")


def _open_locks(environment: Mapping[str, str]) -> Iterator[str]:
    """A sentence for each lock that is set and empty, as a secret that was not filled in leaves it."""
    for name, value in environment.items():
        if name.upper() in map(variable, LOCKS) and not value.strip():
            yield f"{name.upper()} is set and empty, which would lock nothing: give it a value, or unset it"


def _all(text: str, what: str, fits: Callable[[str], bool], way: str) -> None:
    """Raises ValueError where a text of several, separated by commas, has none or a wrong one."""
    if text and not parts(text):
        raise ValueError(f"it holds no {what}: {way}, or unset it")
    for part in parts(text):
        if not fits(part):
            raise ValueError(f"{part[:100]!r} is no {what}: {way}")


def _is_origin(text: str) -> bool:
    try:
        found = urlsplit(text)
        return text == "*" or (
            found.scheme in ("http", "https")
            and found.hostname is not None
            and text == f"{found.scheme}://{found.netloc}"
            and found.port != 0
        )
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    return text == "*" or HOST_NAME.fullmatch(text) is not None or _is_address(text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
