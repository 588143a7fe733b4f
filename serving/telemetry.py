"""Prometheus metrics, JSON log lines, and the middleware that gives every request an id and both of these."""

import json
import logging
import re
import sys
import time
import uuid
from datetime import UTC, datetime

from prometheus_client import Counter, Gauge, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

LATENCY = Histogram(
    "nextplay_request_seconds", "Time to answer a request.", ["route", "outcome"], buckets=BUCKETS
)
FALLBACKS = Counter("nextplay_fallbacks", "Answers by popularity, as no item of the history was known.")
UNKNOWN_IDS = Counter("nextplay_unknown_ids", "Ids in histories that the model did not know.")
RELOADS = Counter("nextplay_reloads", "Models loaded, and failures to load one.", ["outcome"])
RELOAD_FAILING = Gauge(
    "nextplay_reload_failing", "1 while the model that the pointer names cannot be served."
)
MODEL_INFO = Gauge("nextplay_model_info", "1 for the model in service.", ["version", "architecture"])
MODEL_LOADED = Gauge("nextplay_model_loaded_timestamp_seconds", "When the model in service was loaded.")

EVENTS = Counter("nextplay_events", "Play events received.", ["outcome"])
IMPRESSIONS = Counter("nextplay_impressions", "Recommended items logged, and dropped.", ["outcome"])
COMMIT_SECONDS = Histogram("nextplay_commit_seconds", "Time to make events durable.", buckets=BUCKETS)
USER_STATE_FAILING = Gauge("nextplay_user_state_failing", "1 while the user state's file cannot be read.")

LOGGER = logging.getLogger("nextplay")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
QUIET = {"/livez", "/readyz", "/metrics"}  # asked every few seconds: counted, not logged


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


def outcome(status: int) -> str:
    """The metric label for an HTTP status."""
    if status == 503:
        return "unavailable"
    return "ok" if status < 400 else "refused" if status < 500 else "failed"


class Observe:
    """ASGI middleware. Handlers find `request_id` and `fields` (for the log line) in `request.state`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        fields: dict[str, object] = {}
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "fields": fields}
        status = 0
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        bug: Exception | None = None
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            bug = error
            if not status:
                detail = f"The server failed; its log says more under the request id {request_id}."
                await JSONResponse({"detail": detail}, 500)(scope, receive, send_with_id)
        seconds = time.perf_counter() - started
        route = getattr(scope.get("route"), "path", "") or "other"
        LATENCY.labels(route, "failed" if bug else outcome(status)).observe(seconds)
        if bug or route not in QUIET:
            milliseconds = round(seconds * 1000, 3)
            log("request", bug, request_id=request_id, route=route, status=status, ms=milliseconds, **fields)
