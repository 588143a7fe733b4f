"""The page of nights and the gate reports, as the pipeline wrote them: a folder of files, for reading alone.

The endpoint shows them at /reports/ where a folder is set. `nextplay ui` runs this module beside Dagster, so
that a link from there leads somewhere: it serves until whoever started it is gone.
"""

import os
import re
import sys
import threading
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

INDEX = "index.html"  # the page of nights
REPORT = re.compile(r"[0-9a-f]{1,64}\.html")
NO_PAGE = "no page of nights yet: a run writes it at its end, and `nextplay reports` at once"
HEADERS = {
    # They are whole: a script or a picture of another host can only be somebody's markup in a title.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def answer(folder: Path, name: str) -> Response:
    """A page of the folder; HTTPException with status 404 for all else that may lie there or elsewhere."""
    path = folder / (name or INDEX)
    if not (name in ("", INDEX) or REPORT.fullmatch(name)) or path.is_symlink() or not path.is_file():
        told = "no such report: /reports/ lists those that are kept" if name else NO_PAGE
        raise HTTPException(404, f"There is {told}.")
    return FileResponse(path, headers=HEADERS)


def app(folder: Path) -> Starlette:
    """The reports alone, at /."""

    async def page(request: Request) -> Response:
        return answer(folder, request.path_params.get("name", ""))

    async def refuse(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        return PlainTextResponse(problem.detail.replace("/reports/", "/"), problem.status_code)

    routes = [Route("/", page), Route("/{name}", page)]
    return Starlette(routes=routes, exception_handlers={HTTPException: refuse})


def main(folder: str, host: str, port: str, until: str = "alone") -> None:
    """Serve until standard input ends, which it does with the process that started this one; or `forever`."""

    def leave_with_the_starter() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    if until != "forever":
        threading.Thread(target=leave_with_the_starter, daemon=True).start()
    uvicorn.run(app(Path(folder)), host=host, port=int(port), log_level="error")


if __name__ == "__main__":
    main(*sys.argv[1:])
