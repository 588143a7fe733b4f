"""Who may ask: optional API keys, compared in constant time and never logged."""

import base64
import hashlib
import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/"}
OPEN_FOLDER = "/demo/"  # the files of the pages: nothing in them is of a user or a model
OF_THE_MODEL = {"/demo/examples", "/demo/choices"}  # which are no files
PAGES = "/reports"  # for browsers, which send a key that they were asked for as a password
REFUSAL = "This endpoint needs an API key: send it as the header Authorization: Bearer KEY."


class ApiKeys:
    """ASGI middleware that answers 401 to a request without a key, except for what operators ask for."""

    def __init__(self, app: ASGIApp, keys: list[str]) -> None:
        self._app = app
        self._digests = [_digest(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_open(scope["path"]) or self._has_key(scope):
            await self._app(scope, receive, send)
            return
        basic = 'Basic realm="Nextplay: your API key as the password", charset="UTF-8"'
        asked_for = basic if _is_page(scope["path"]) else "Bearer"
        refusal = JSONResponse({"detail": REFUSAL}, 401, {"WWW-Authenticate": asked_for})
        await refusal(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        is_page = path.startswith(OPEN_FOLDER) and path not in OF_THE_MODEL
        return path in OPEN or is_page

    def _has_key(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and _is_page(scope["path"]):
            scheme, given = "bearer", _password(given)
        digest = _digest(given.strip())
        # All are compared, and equal lengths of digests tell nothing of the length of a key.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def _is_page(path: str) -> bool:
    return path == PAGES or path.startswith(f"{PAGES}/")


def _password(given: str) -> str:
    """Of `user:password` in base64, as HTTP's Basic scheme has it; empty where it is something else."""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:  # no base64, or no text in it
        return ""


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
