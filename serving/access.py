"""Who may ask: optional API keys, compared in constant time and never logged."""

import hashlib
import hmac

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

OPEN = {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/"}
OPEN_FOLDER = "/demo/"  # the files of the pages: nothing in them is of a user or a model
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
        refusal = JSONResponse({"detail": REFUSAL}, 401, {"WWW-Authenticate": "Bearer"})
        await refusal(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        is_page = path.startswith(OPEN_FOLDER) and path != "/demo/examples"
        return path in OPEN or is_page

    def _has_key(self, scope: Scope) -> bool:
        scheme, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
        digest = _digest(given.strip())
        # All are compared, and equal lengths of digests tell nothing of the length of a key.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
