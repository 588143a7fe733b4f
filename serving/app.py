"""The endpoint as one plain ASGI app; it runs under any ASGI server, and BentoML mounts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from serving import telemetry
from serving.reload import Follower, ServedModel
from serving.schemas import (
    ModelName,
    ModelResponse,
    Problem,
    RecommendedItem,
    RecommendRequest,
    RecommendResponse,
    refusal,
)
from serving.settings import Settings

MAX_BODY = 1_000_000  # bytes
REQUEST_BODY = {
    "required": True,
    "content": {"application/json": {"schema": RecommendRequest.model_json_schema()}},
}
PROBLEMS: dict[int | str, dict[str, object]] = {
    400: {"model": Problem, "description": "The body is not JSON."},
    413: {"model": Problem, "description": f"The body is larger than {MAX_BODY:,} bytes."},
    422: {"model": Problem, "description": "A field is wrong."},
    503: {"model": Problem, "description": "No model is loaded yet."},
}


def create_app(settings: Settings) -> FastAPI:
    """The app; its model is loaded in the background once the app has started."""
    follower = Follower(settings.pointer, settings.poll_seconds, settings.scorer_threads)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telemetry.configure_logging()
        follower.start()
        yield
        await run_in_threadpool(follower.stop)

    app = FastAPI(
        title="Nextplay",
        version="1",
        description="What a user plays next, from what they played.",
        lifespan=lifespan,
    )
    app.state.follower = follower
    app.add_middleware(telemetry.Observe)
    app.add_exception_handler(StarletteHTTPException, _problem)
    _add_recommend(app, follower)
    _add_operations(app, follower)
    return app


def _add_recommend(app: FastAPI, follower: Follower) -> None:
    @app.post("/recommend", responses=PROBLEMS, openapi_extra={"requestBody": REQUEST_BODY})
    async def recommend(request: Request) -> RecommendResponse:
        """The items that a user with this history plays next."""
        query = _parsed(await _body(request))
        model = _ready(follower)  # taken once: the whole answer comes from one model
        history = query.history_ids()
        found = await run_in_threadpool(model.recommender.recommend, history, query.k, query.exclude_seen)
        telemetry.FALLBACKS.inc(found.fallback)
        telemetry.UNKNOWN_IDS.inc(len(found.unknown_ids))
        request.state.fields.update(
            version=model.version,
            history=len(history),
            unknown=len(found.unknown_ids),
            fallback=found.fallback,
        )
        return RecommendResponse(
            items=[RecommendedItem(**vars(item)) for item in found.items],
            model=ModelName(version=model.version, architecture=model.architecture),
            unknown_ids=found.unknown_ids,
            fallback="popularity" if found.fallback else None,
            request_id=request.state.request_id,
        )


def _add_operations(app: FastAPI, follower: Follower) -> None:
    @app.get("/model", responses={503: PROBLEMS[503]})
    async def model() -> ModelResponse:
        """The model that serves now."""
        served = _ready(follower)
        manifest = served.recommender.manifest
        return ModelResponse(
            version=served.version,
            architecture=manifest.architecture,
            n_items=manifest.n_items,
            data_fingerprint=manifest.data_fingerprint,
            bundle_hash=served.bundle_hash,
            metrics=manifest.metrics,
            source=manifest.source,
            split=manifest.split,
            loaded_at=served.loaded_at.isoformat(timespec="seconds"),
        )

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        """Is the process alive?"""
        return {"status": "alive"}

    @app.get("/readyz", responses={503: PROBLEMS[503]})
    async def readyz() -> dict[str, str]:
        """Is a model loaded and warmed up?"""
        _ready(follower)
        return {"status": "ready"}

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Metrics in the Prometheus text format."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _ready(follower: Follower) -> ServedModel:
    if follower.current is None:
        raise HTTPException(503, "No model is loaded yet: try again in a few seconds.", {"Retry-After": "2"})
    return follower.current


async def _body(request: Request) -> bytes:
    """The whole body; one that is too large is read to its end but not kept, so that the client hears why."""
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


def _parsed(body: bytes) -> RecommendRequest:
    try:
        return RecommendRequest.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(*refusal(error)) from None


async def _problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    detail, path = error.detail, request.scope["path"]
    if error.status_code == 404:
        detail = f"There is nothing at {path}: /docs lists what there is."
    if error.status_code == 405:
        detail = f"{request.method} is not allowed at {path}: /docs lists what is."
    return JSONResponse({"detail": detail}, error.status_code, error.headers)
