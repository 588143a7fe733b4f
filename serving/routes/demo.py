"""The pages: /docs, and the demo with its requests, which `NEXTPLAY_DEMO=false` turns off."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.staticfiles import StaticFiles

from serving.bodies import PROBLEMS, read_body
from serving.context import Context
from serving.examples import example_histories
from serving.filters import FilterError
from serving.openapi import describe_body
from serving.recommender import Recommender
from serving.reload import ServedModel
from serving.schemas import (
    Choices,
    Column,
    CompareRequest,
    CompareResponse,
    Examples,
    ItemName,
    ModelName,
    RecommendedItem,
)
from serving.state.events import now_ms

FILES = Path(__file__).resolve().parents[1] / "demo"
DOCS_FILES = {"docs.css", "docs.js", "dom.js", "icon.svg", "style.css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # kept by browsers, but asked for again: 304 as long as nothing changed
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def router(context: Context) -> APIRouter:
    routes = APIRouter()
    files = StaticFiles(directory=FILES)

    async def answer(name: str, request: Request) -> Response:
        response = await files.get_response(name, request.scope)
        response.headers.update(HEADERS)
        return response

    @routes.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs(request: Request) -> Response:
        return await answer("docs.html", request)

    if context.settings.demo:
        _add_demo(routes, context)

        @routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
        async def page(request: Request) -> Response:
            return await answer("index.html", request)

    @routes.api_route("/demo/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if not (context.settings.demo or name in DOCS_FILES):
            raise HTTPException(404)
        return await answer(name, request)

    return routes


def _add_demo(routes: APIRouter, context: Context) -> None:
    kept: dict[str, Examples] = {}  # by bundle hash: the model itself would stay in memory after a swap
    one_at_a_time = asyncio.Lock()  # a hundred answers or more, so computed once however many wait

    @routes.get("/demo/examples", include_in_schema=False)
    async def examples() -> Examples:
        """Histories to start from."""
        async with one_at_a_time:
            model = context.model()
            if model.bundle_hash not in kept:
                found = await run_in_threadpool(_examples, model)
                kept.clear()
                kept[model.bundle_hash] = found
            return kept[model.bundle_hash]

    @routes.get("/demo/choices", include_in_schema=False)
    async def choices() -> Choices:
        """What can be filtered by, and whether there is a page of nights."""
        reports = context.settings.reports is not None
        return Choices(fields=context.model().recommender.fields(), reports=reports)

    @routes.post("/compare", responses=PROBLEMS, openapi_extra=describe_body(CompareRequest))
    async def compare(request: Request) -> CompareResponse:
        """What the champion, and the baselines that it had to beat, recommend after the same history."""
        context.turns.admit()
        query = await read_body(request, CompareRequest)
        model, history = context.model(), query.history_ids()
        request.state.fields.update(version=model.version, history=len(history))
        blocked = context.blocklist.ids()
        try:
            columns = await context.turns.take(
                lambda: _columns(model, history, query.k, blocked, query.filters), in_thread=True
            )
        except FilterError as error:
            raise HTTPException(422, str(error)) from None
        titles = [(item_id, model.recommender.title(item_id)) for item_id in history]
        return CompareResponse(
            history=[
                ItemName(item_id=item_id, title=title) for item_id, title in titles if title is not None
            ],
            unknown_ids=list(dict.fromkeys(item_id for item_id, title in titles if title is None)),
            columns=columns,
            model=ModelName(version=model.version, architecture=model.architecture),
            request_id=request.state.request_id,
        )


def _columns(
    model: ServedModel, history: Sequence[str], k: int, blocked: Collection[str], filters: Mapping[str, Any]
) -> list[Column]:
    def column(name: str, recommender: Recommender) -> Column:
        role: Literal["baseline", "champion"] = "baseline" if name in model.baselines else "champion"
        explain = role == "champion"
        found = recommender.recommend(history, k, exclude_seen, blocked, filters, explain, asked_ms)
        return Column(name=name, role=role, items=[RecommendedItem.of(item) for item in found.items])

    exclude_seen, asked_ms = model.recommender.manifest.exclude_seen, now_ms()  # alike for all columns
    recommenders = {model.architecture: model.recommender, **model.baselines}
    return [column(name, recommender) for name, recommender in recommenders.items()]


def _examples(model: ServedModel) -> Examples:
    def names(history: Sequence[str]) -> list[ItemName]:
        return [
            ItemName(item_id=item_id, title=model.recommender.title(item_id) or "") for item_id in history
        ]

    return Examples(examples=[names(history) for history in example_histories(model.recommender)])
