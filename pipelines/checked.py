"""What values of settings must be, beyond their type: each check returns the value, or raises ValueError."""

import re
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
from pydantic import SecretStr

from assets.feedback.held_back import HoldBack, HoldBackError
from assets.formats.item_rows import check_names
from assets.formats.reading import missing_texts
from assets.formats.time_texts import check_format
from assets.ingest.sources import SOURCES
from assets.sample.process import SIZES
from assets.sequences.splitting import Cutoffs, SplitError
from models.config import ConfigError, NetworkConfig, TrainConfig
from models.networks import NETWORKS
from models.stages.names import STAGED
from models.stages.reranking import Rules
from serving.environment import expanded
from serving.state.event_stores import is_database
from serving.state.storage import is_address

UNITS = " kmgt"  # a thousandfold each
SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*([kmgt])(i?)b")
SHARE = re.compile(r"(\d{1,3})%")
LEAST_MEMORY = 64_000_000  # bytes
MOST = 2**53  # of whole numbers that tables, JSON and networks all hold
MOST_THREADS = 1_024  # of a training
CRON = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31"),
    ("month", "1 to 12"),
    ("day of the week", "0 to 6"),
)


def home(path: Path) -> Path:
    """A folder that DuckDB, too, can keep a file in."""
    text = str(path)
    if "?" in text or not text.isprintable():
        raise ValueError(
            "a database cannot lie in a path with a question mark or a character that cannot be printed: "
            "name another folder"
        )
    return path


def store(address: str | None) -> str | None:
    if address and not (is_address(address) or Path(address).is_absolute()):
        raise ValueError("give an address such as s3://bucket/prefix, or an absolute path")
    return address


def events(place: str | None) -> str | None:
    """A file, or the address of a database."""
    if place is None or is_database(place):
        return place
    if is_address(place):
        raise ValueError("it is neither a file nor a database: give a path, or postgresql://…")
    return str(expanded(place))


def source(name: str) -> str:
    return _one_of("source", name, list(SOURCES))


def sample_size(name: str) -> str:
    return _one_of("size", name, list(SIZES))


def candidates(text: str) -> str:
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError(f"it names no candidate; there are {', '.join((*NETWORKS, *STAGED))}")
    return ",".join(_one_of("candidate", name, [*NETWORKS, *STAGED]) for name in names)


def _one_of(kind: str, name: str, known: list[str]) -> str:
    if name in known:
        return name
    nearest = get_close_matches(name.lower(), known, n=1)
    meant = f"did you mean {nearest[0]}? There" if nearest else "there"
    raise ValueError(f"there is no {kind} {name!r}; {meant} are {', '.join(known)}")


def cutoffs(text: str) -> str:
    try:
        Cutoffs.from_text(text)
    except SplitError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return text


def hold_back(text: str | None) -> str | None:
    try:
        return text and HoldBack.from_text(text).text
    except HoldBackError as error:
        raise ValueError(str(error).rstrip(".")) from None


def memory(limit: str) -> str:
    """As DuckDB reads it, and enough for tables to be made with it."""
    share, size = SHARE.fullmatch(limit.strip()), SIZE.fullmatch(limit.strip().lower())
    if share and 0 < int(share[1]) <= 100:
        return limit
    if not size:
        raise ValueError("give a number and a unit, such as 2GB or 500MB, or a share such as 80%")
    if float(size[1]) * (1024 if size[3] else 1000) ** UNITS.index(size[2]) < LEAST_MEMORY:
        raise ValueError("it is less than 64MB, with which no table can be made")
    return limit


def rerank(rules: dict[str, Any]) -> dict[str, Any]:
    """What `models.stages.reranking.Rules` is made of."""
    try:
        return Rules.of(rules).to_dict() if rules else {}
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f'{error}; there are "diversity", from 0 to 1, and "at_most", such as {{"developer": 2}}'
        ) from None


def training(changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of TrainConfig and NetworkConfig, by their plain names."""
    shape = {f.name for f in fields(NetworkConfig)}
    known = sorted(({f.name for f in fields(TrainConfig)} | shape) - {"network"})
    for name in changes:
        if name not in known:
            nearest = get_close_matches(name, known, n=1)
            meant = f"; did you mean {nearest[0]}?" if nearest else "."
            raise ValueError(f"it has no {name!r}{meant} There are {', '.join(known)}")
    for name, value in changes.items():
        most = MOST_THREADS if name in ("threads", "processes") else MOST
        if isinstance(value, int) and value > most:
            raise ValueError(f"its {name} is more than {most:,}")
    try:
        TrainConfig().with_changes(**changes)
    except ConfigError as error:
        raise ValueError(str(error).rstrip(".")) from None
    return changes


def mlflow_name(text: str) -> str:
    """A name that MLflow, its searches and its addresses all take as it is."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}", text):
        raise ValueError("give letters, digits, _ and -, 100 at most, such as nextplay-eu")
    return text


def cron(text: str) -> str:
    if _is_cron(text):
        return text
    given = text.split()
    if len(given) != len(CRON):
        raise ValueError("give five fields as cron has them, such as 30 2 * * * for half past two")
    for place, (field, allowed) in enumerate(CRON):
        others = ["*"] * len(CRON)
        if not _is_cron(" ".join([*others[:place], given[place], *others[place + 1 :]])):
            raise ValueError(f"{given[place]} is no {field} that cron knows: give {allowed}, or *")
    raise ValueError("it is no time that cron knows: give one such as 30 2 * * * for half past two")


def _is_cron(text: str) -> bool:
    try:
        dg.ScheduleDefinition(name="checked", job_name="checked", cron_schedule=text)
    except dg.DagsterInvalidDefinitionError:
        return False
    return True


def timezone(name: str) -> str:
    try:
        dg.ScheduleDefinition(
            name="checked", job_name="checked", cron_schedule="0 0 * * *", execution_timezone=name
        )
    except Exception:  # of Dagster, and of what looks the zone up, for some names
        raise ValueError("there is no such time zone; give one such as UTC or Europe/Berlin") from None
    return name


def webhook(address: SecretStr | None) -> SecretStr | None:
    if address is None:
        return None
    try:
        parts = urlsplit(address.get_secret_value())
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise ValueError("give an address that begins with http:// or https://")
    return address


def page(address: str) -> str:
    """An address below which pages are named: it ends with a slash."""
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment:
        raise ValueError("give an address of the web, such as http://127.0.0.1:3002/")
    return address.rstrip("/") + "/"


def columns(named: dict[str, str]) -> dict[str, str]:
    """Names of columns, by ours."""
    check_names(named)
    return named


def missing(text: str) -> str:
    """A list of texts, in JSON or separated by commas."""
    missing_texts(text)
    return text


def time_format(text: str | None) -> str | None:
    if text is not None:
        check_format(text)
    return text
