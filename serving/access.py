"""Who may ask what: keys with roles, the hosts that are answered to, and pages of other origins."""

import base64
import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.keys import Keys

OPEN = {"/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/"}
OPEN_FOLDER = "/demo/"  # the files of the pages: nothing in them is of a user or a model
OF_THE_MODEL = {"/demo/examples", "/demo/choices"}  # which are no files
PAGES = "/reports"  # for browsers, which send a key that they were asked for as a password
READING = {("POST", "/recommend"), ("POST", "/recommend/batch"), ("POST", "/compare")}
WRITING = {("POST", "/events")}
SAFE = {"GET", "HEAD", "OPTIONS"}
PROBES = {"/livez", "/readyz", "/metrics"}  # asked by machines, under any name
FORMS = {"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"}  # what any page may send
REFUSAL = "This endpoint needs an API key: send it as the header Authorization: Bearer KEY."


class ApiKeys:
    """ASGI middleware that answers 401 to a request without a key, except for what operators ask for, and 403
    where the key may not ask that."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        roles, needed = self._roles(scope), needed_role(scope["method"], scope["path"])
        if needed in roles:
            await self._app(scope, receive, send)
        elif roles:
            may = " and ".join(sorted(roles))
            asked = f"{scope['method']} {scope['path'][:200]}"
            detail = f"This key may {may}: {asked} needs one that may {needed}."
            await JSONResponse({"detail": detail}, 403)(scope, receive, send)
        else:
            basic = 'Basic realm="Nextplay: your API key as the password", charset="UTF-8"'
            headers = {"WWW-Authenticate": basic if _is_page(scope["path"]) else "Bearer"}
            await JSONResponse({"detail": REFUSAL}, 401, headers)(scope, receive, send)

    def _roles(self, scope: Scope) -> frozenset[str]:
        scheme, _, given = _as_sent(Headers(scope=scope).get("authorization", "")).partition(" ")
        if scheme.lower() == "basic" and _is_page(scope["path"]):
            scheme, given = "bearer", _password(given)
        roles = self._keys.roles(given.strip())
        return roles if scheme.lower() == "bearer" else frozenset()


class Hosts:
    """ASGI middleware that answers 421 to a request that was meant for a host of another name.

    A page whose own name is made to lead here (DNS rebinding) asks under that name. Without a list, that
    cannot be told from a proper name, except where nobody but this machine can ask: on its loopback.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], keyless: bool) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._keyless = keyless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = host_name(Headers(scope=scope).get("host", "")) if scope["type"] == "http" else ""
        if scope["type"] != "http" or scope["path"] in PROBES or self._is_ours(name, scope):
            await self._app(scope, receive, send)
            return
        detail = f"This endpoint does not answer to the name {name[:200]!r}: list it in NEXTPLAY_HOSTS."
        await JSONResponse({"detail": detail}, 421)(scope, receive, send)

    def _is_ours(self, name: str, scope: Scope) -> bool:
        if self._hosts:
            return name in self._hosts or "*" in self._hosts
        reached = str((scope.get("server") or ("", 0))[0])
        return not (self._keyless and _is_loopback(reached)) or not name or _is_own(name)


class SameSite:
    """ASGI middleware that answers 403 where a page of another origin has a browser change something, and 415
    to the bodies that any page can send without being asked first.

    Only for endpoints without keys: a page cannot send a key that it does not have.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE:
            headers = Headers(scope=scope)
            if not self._is_allowed(headers):
                detail = "A page of another origin may not ask for that: list it in NEXTPLAY_CORS_ORIGINS."
                await JSONResponse({"detail": detail}, 403)(scope, receive, send)
                return
            if not _is_json(headers):
                detail = "Send the body as Content-Type: application/json."
                await JSONResponse({"detail": detail}, 415)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        origin, site = headers.get("origin", ""), headers.get("sec-fetch-site", "")
        if origin in self._origins or "*" in self._origins:
            return True
        if site:  # the browser's own word, which no page can change
            return site in ("same-origin", "none")
        names = {headers.get("host", "").lower(), headers.get("x-forwarded-host", "").lower()}
        return not origin or _netloc(origin) in names - {""}


def needed_role(method: str, path: str) -> str:
    """The role that a request needs; what is not listed here is for operators."""
    if (method, path) in WRITING:
        return "write"
    if (method, path) in READING or (method in SAFE and not _is_page(path)):
        return "read"
    return "operate"


def host_name(host: str) -> str:
    """Of a Host header, without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if name.count(":") == 1 else name


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_open(path: str) -> bool:
    return path in OPEN or (path.startswith(OPEN_FOLDER) and path not in OF_THE_MODEL)


def _is_page(path: str) -> bool:
    return path == PAGES or path.startswith(f"{PAGES}/")


def _is_own(name: str) -> bool:
    """Whether a name leads to where it says, whatever somebody's name server answers."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return True


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _is_json(headers: Headers) -> bool:
    """A form is let through without an origin: curl's -d calls its body one, and no browser leaves it out."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    from_curl = kind == "application/x-www-form-urlencoded" and not headers.get("origin")
    return kind not in FORMS or from_curl


def _as_sent(value: str) -> str:
    """A header's value in UTF-8, as keys are written: headers are read as if each byte were a letter."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _password(given: str) -> str:
    """Of `user:password` in base64, as HTTP's Basic scheme has it; empty where it is something else."""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except ValueError:  # no base64, or no text in it
        return ""
