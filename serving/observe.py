"""The middleware that gives every request an id, a latency in the metrics and a line in the log."""

import re
import secrets
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import telemetry

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
TRACE_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
QUIET = {"/livez", "/readyz", "/metrics"}  # asked every few seconds: counted, not logged


class Observe:
    """ASGI middleware. Handlers find `request_id` and `fields` (for the log line) in `request.state`.

    A `traceparent` (W3C Trace Context) is answered with one of the same trace, and both stand in the log.
    """

    def __init__(self, app: ASGIApp, log_requests: bool = True) -> None:
        self._app = app
        self._log_requests = log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        answer_headers = {"x-request-id": request_id}
        fields: dict[str, object] = {}
        if trace := TRACE_PARENT.fullmatch(headers.get("traceparent", "")):
            trace_id, parent_id, flags = trace.groups()
            span_id = secrets.token_hex(8)
            answer_headers["traceparent"] = f"00-{trace_id}-{span_id}-{flags}"
            fields.update(trace_id=trace_id, span_id=span_id, parent_id=parent_id)
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "fields": fields}
        status = 0
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(answer_headers)
            await send(message)

        bug: Exception | None = None
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:
            bug = error
            if not status:
                detail = f"The server failed; its log says more under the request id {request_id}."
                await JSONResponse({"detail": detail}, 500)(scope, receive, send_with_id)
        self._tell(scope, request_id, status, time.perf_counter() - started, fields, bug)

    def _tell(
        self,
        scope: Scope,
        request_id: str,
        status: int,
        seconds: float,
        fields: dict[str, object],
        bug: Exception | None,
    ) -> None:
        route = getattr(scope.get("route"), "path_format", "") or "other"
        telemetry.LATENCY.labels(route, "failed" if bug else telemetry.outcome(status)).observe(seconds)
        if bug or (self._log_requests and route not in QUIET):
            about = {"request_id": request_id, "route": route, "status": status}
            telemetry.log("request", bug, **about, ms=round(seconds * 1000, 3), **fields)
