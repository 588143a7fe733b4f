"""Reading the body of a request, with a limit, and answering what is wrong in one sentence."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from models.bundle.ids import MAX_ID
from serving.refusals import refusal
from serving.schemas import A_COUNT, Problem

MAX_BODY = 1_000_000  # bytes
PROBLEMS: dict[int | str, dict[str, object]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    413: {"model": Problem, "description": f"The body is larger than {MAX_BODY:,} bytes."},
    422: {"model": Problem, "description": "A field is wrong."},
    503: {
        "model": Problem,
        "description": "No model is loaded yet, or too many requests wait: try again after `Retry-After`.",
        "headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}},
    },
}

PARAMETERS = {
    "k": A_COUNT,
    "limit": A_COUNT,
    "query": f"a text of at most {MAX_ID} characters",
}

Body = TypeVar("Body", bound=BaseModel)


async def read_body(
    request: Request,
    schema: type[Body],
    refuse: Callable[[ValidationError], tuple[int, str]] | None = None,
) -> Body:
    """The parsed body; raises HTTPException with status 400, 413 or 422, and the sentence of `refuse`."""
    content = await _content(request)
    try:
        body = schema.model_validate_json(content)
    except ValidationError as error:
        raise HTTPException(*(refuse(error) if refuse else refusal(error, schema))) from None
    if (name := _given_twice(content)) is not None:
        raise HTTPException(422, f'The field "{name[:50]}" stands twice in one object: give it once.')
    return body


def _given_twice(content: bytes) -> str | None:
    """A name that stands twice in one object of a sound body: the last would count, and nothing say so."""
    twice = list[str]()

    def look(pairs: list[tuple[str, Any]]) -> None:
        twice.extend(_repeated(name for name, _ in pairs))

    with suppress(ValueError):  # of a number that is too long for Python, and that a filter refuses
        json.loads(content, object_pairs_hook=look)
    return next(iter(twice), None)


def _repeated(names: Iterable[str]) -> Iterator[str]:
    """Those that have been there before; at the cost of one look at each, however many a client sends."""
    seen = set[str]()
    for name in names:
        if name in seen:
            yield name
        seen.add(name)


async def _content(request: Request) -> bytes:
    """The whole body. One that is too large is read to its end, not kept, so that the client learns why."""
    body = bytearray()
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= MAX_BODY:
                body += chunk
    except ClientDisconnect:
        raise HTTPException(400, "The connection closed before the body was complete.") from None
    if size > MAX_BODY:
        raise HTTPException(413, f"The body has {size:,} bytes: at most {MAX_BODY:,} are read.")
    return bytes(body)


def given_once(request: Request) -> None:
    """A dependency: of two values for one parameter nobody could tell which counts. HTTPException 422."""
    names = [*request.path_params, *(name for name, _ in request.query_params.multi_items())]
    twice = next(_repeated(names), None)
    if twice is not None:
        raise HTTPException(422, f"The parameter {twice} is given twice: give it once.")


async def answer_problem(request: Request, error: Exception) -> JSONResponse:
    """The exception handler of the app: every problem is `{"detail": one sentence}`."""
    assert isinstance(error, StarletteHTTPException)
    detail, path = error.detail, request.scope["path"]
    if error.status_code == 404 and detail == "Not Found":  # no route said it
        detail = f"There is nothing at {path}: /docs lists what there is."
    if error.status_code == 405:
        detail = f"{request.method} is not allowed at {path}: /docs lists what is."
    return JSONResponse({"detail": detail}, error.status_code, error.headers)


async def answer_wrong_parameter(request: Request, error: Exception) -> JSONResponse:
    """The exception handler for parameters of the path and of the query that FastAPI refuses."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    what = str(first["loc"][-1])
    if first["type"] == "missing":
        return JSONResponse({"detail": f"The parameter {what} is missing."}, 422)
    rule = PARAMETERS.get(what, "something else")
    return JSONResponse({"detail": f"The parameter {what} must be {rule}."}, 422)
