"""Prometheus metrics and JSON log lines."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SCORE_BUCKETS = (-10.0, -5.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0)

OF_ANY: Literal["livemax"] = "livemax"  # what one worker lacks is told, whatever others say later

LATENCY = Histogram(
    "nextplay_request_seconds", "Time to answer a request.", ["route", "outcome"], buckets=BUCKETS
)
FALLBACKS = Counter("nextplay_fallbacks", "Answers by popularity, as no item of the history was known.")
UNKNOWN_IDS = Counter("nextplay_unknown_ids", "Ids in histories that the model did not know.")
RELOADS = Counter("nextplay_reloads", "Models loaded, and failures to load one.", ["outcome"])
RELOAD_FAILING = Gauge(
    "nextplay_reload_failing",
    "1 while the model that the pointer names cannot be served.",
    multiprocess_mode=OF_ANY,
)
ANSWERS = Counter("nextplay_answers", "Recommendations given, one per query.")
BEST_SCORE = Histogram(
    "nextplay_best_score", "The highest score of an answer that is no fallback.", buckets=SCORE_BUCKETS
)
OVERLOADED = Counter("nextplay_overloaded", "Requests refused because too many were waiting.")
BLOCKLIST_ITEMS = Gauge("nextplay_blocklist_items", "Ids in the blocklist.", multiprocess_mode="mostrecent")
BLOCKLIST_FAILING = Gauge(
    "nextplay_blocklist_failing", "1 while the blocklist cannot be read.", multiprocess_mode=OF_ANY
)
KEYS_FAILING = Gauge(
    "nextplay_keys_failing", "1 while the file of API keys cannot be read.", multiprocess_mode=OF_ANY
)
LISTED_ITEMS = Gauge("nextplay_listed_items", "Items listed.", multiprocess_mode="mostrecent")
LISTING_FAILING = Gauge(
    "nextplay_listing_failing",
    "1 while what is listed cannot be read or followed.",
    multiprocess_mode=OF_ANY,
)
TREND_UNTIL = Gauge(
    "nextplay_trend_timestamp_seconds",
    "When the newest play was that recent popularity counts.",
    multiprocess_mode="mostrecent",
)
TREND_FAILING = Gauge(
    "nextplay_trend_failing",
    "1 while what was played since the training cannot be read.",
    multiprocess_mode=OF_ANY,
)
POINTER_LOOKED = Gauge(
    "nextplay_pointer_looked_timestamp_seconds",
    "When the pointer was last looked at, by the worker whose look is the oldest.",
    multiprocess_mode="livemin",
)
MODEL_PROMOTED = Gauge(
    "nextplay_model_promoted_timestamp_seconds",
    "When the model in service was promoted.",
    multiprocess_mode="mostrecent",
)
MODEL_INFO = Gauge(
    "nextplay_model_info",
    "1 for the model in service.",
    ["version", "architecture"],
    multiprocess_mode="mostrecent",
)
MODEL_LOADED = Gauge(
    "nextplay_model_loaded_timestamp_seconds",
    "When the model in service was loaded.",
    multiprocess_mode="mostrecent",
)

EVENTS = Counter("nextplay_events", "Play events received.", ["outcome"])
IMPRESSIONS = Counter("nextplay_impressions", "Recommended items logged, and dropped.", ["outcome"])
COMMIT_SECONDS = Histogram("nextplay_commit_seconds", "Time to make events durable.", buckets=BUCKETS)
EVENT_STORE_FAILING = Gauge(
    "nextplay_event_store_failing",
    "1 while the event store takes nothing.",
    multiprocess_mode="mostrecent",
)
EVENT_STORE_BYTES = Gauge(
    "nextplay_event_store_bytes",
    "Size of the event store: its tables, and the log of changes that are not in them yet.",
    ["part"],
    multiprocess_mode="mostrecent",
)
CLOCK_AHEAD = Gauge(
    "nextplay_event_clock_ahead_seconds",
    "By how much the newest commit of the event store is ahead of this machine's clock.",
    multiprocess_mode="mostrecent",
)
STALE_HISTORIES = Counter(
    "nextplay_stale_histories", "Histories asked for while the event store could not be asked."
)
USER_STATE_FAILING = Gauge(
    "nextplay_user_state_failing",
    "1 while the user state's file cannot be read.",
    multiprocess_mode=OF_ANY,
)
CONNECTIONS = Gauge("nextplay_connections", "Open connections.", multiprocess_mode="livesum")
CLOSED = Counter("nextplay_connections_closed", "Connections that went over a bound.", ["reason"])

LOGGER = logging.getLogger("nextplay")


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure_logging() -> None:
    """Send this package's log lines to the standard error stream, as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    LOGGER.handlers = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


def log(event: str, error: Exception | None = None, **fields: object) -> None:
    """Write a log line; `error` adds its stack trace."""
    level = logging.ERROR if error or "reason" in fields else logging.INFO
    LOGGER.log(level, event, exc_info=error, extra={"fields": fields})


def exposition() -> bytes:
    """All metrics in the text format; of all workers where they share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    _forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_dead_workers(folder: Path) -> None:
    """What a killed worker had open is open no more."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
        except OSError:  # it is somebody else's: the number was given anew
            continue


def outcome(status: int) -> str:
    """The metric label for an HTTP status."""
    if status == 503:
        return "unavailable"
    return "ok" if status < 400 else "refused" if status < 500 else "failed"
