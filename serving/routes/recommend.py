"""What a user plays next."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from serving import telemetry
from serving.bodies import PROBLEMS, describe_body, read_body
from serving.context import Context
from serving.schemas import ModelName, RecommendedItem, RecommendRequest, RecommendResponse


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.post("/recommend", responses=PROBLEMS, openapi_extra=describe_body(RecommendRequest))
    async def recommend(request: Request) -> RecommendResponse:
        """The items that a user with this history plays next."""
        query = await read_body(request, RecommendRequest)
        model = context.model()
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
        fallback = "popularity" if found.fallback else None
        context.log_answer(request.state.request_id, None, found.items, model.version, fallback)
        return RecommendResponse(
            items=[RecommendedItem(**vars(item)) for item in found.items],
            model=ModelName(version=model.version, architecture=model.architecture),
            unknown_ids=found.unknown_ids,
            fallback="popularity" if found.fallback else None,
            request_id=request.state.request_id,
        )

    return routes
