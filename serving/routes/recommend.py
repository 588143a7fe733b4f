"""What a user plays next."""

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic_core import to_json

from serving import telemetry
from serving.bodies import PROBLEMS, read_body
from serving.context import Context
from serving.exploring import Exploration
from serving.filters import FilterError
from serving.openapi import describe_body
from serving.recommender import Recommendation
from serving.reload import ServedModel
from serving.schemas import BatchRequest, BatchResponse, RecommendRequest, RecommendResponse
from serving.state.events import EventStoreError, now_ms
from serving.state.user_state import UserStateError
from serving.users import History

NOBODYS, STALE = History([]), History([], stale=True)
INLINE_ITEMS = 50_000  # a product with more keeps the event loop too long: it goes to a thread


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.post(
        "/recommend",
        response_model=RecommendResponse,
        responses=PROBLEMS,
        openapi_extra=describe_body(RecommendRequest),
    )
    async def recommend(request: Request) -> Response:
        """The items that a user with this history plays next."""
        context.turns.admit()
        query = await read_body(request, RecommendRequest)
        answer = await _answer(context, context.model(), query, request.state.request_id)
        request.state.fields.update(answer.pop("log"))
        return Response(to_json(answer), media_type="application/json")

    @routes.post(
        "/recommend/batch",
        response_model=BatchResponse,
        responses=PROBLEMS,
        openapi_extra=describe_body(BatchRequest),
    )
    async def batch(request: Request) -> Response:
        """The answers to several queries, all by one model."""
        context.turns.admit()
        queries = (await read_body(request, BatchRequest)).queries
        model, request_id = context.model(), request.state.request_id
        answers = []
        for number, query in enumerate(queries):
            try:
                answers.append(await _answer(context, model, query, f"{request_id}-{number}"))
            except HTTPException as problem:
                detail = f"queries[{number}]: {problem.detail}"
                raise HTTPException(problem.status_code, detail, problem.headers) from None
        for answer in answers:
            del answer["log"]
        request.state.fields.update(version=model.version, queries=len(queries))
        return Response(
            to_json({"answers": answers, "request_id": request_id}), media_type="application/json"
        )

    return routes


async def _answer(
    context: Context, model: ServedModel, query: RecommendRequest, answer_id: str
) -> dict[str, object]:
    """The answer to one query; under `log` what its log line says. HTTPException where a filter is wrong."""
    history, known = query.history_ids(), NOBODYS
    if query.user is not None:
        known = await _history(context, query.user, needed=history is None)
    history = list(known.items) if history is None else history
    call = partial(
        model.recommender.recommend,
        history,
        query.k,
        query.exclude_seen,
        [*map(str, query.exclude), *known.refused, *context.blocklist.ids()],
        query.filters,
        query.explain,
        now_ms(),
        _exploration(context, answer_id, history),
    )
    in_thread = query.explain or model.recommender.manifest.n_items > INLINE_ITEMS
    try:
        found = await context.turns.take(call, in_thread)
    except FilterError as error:
        raise HTTPException(422, str(error)) from None
    fallback = "popularity" if found.fallback else None
    context.log_answer(answer_id, query.user, found.items, model.version, fallback)
    _count(found)
    return {
        "items": _shown(found),
        "model": {"version": model.version, "architecture": model.architecture},
        "unknown_ids": found.unknown_ids,
        "fallback": fallback,
        "stale_history": known.stale,
        "request_id": answer_id,
        "log": {
            "version": model.version,
            "history": len(history),
            "unknown": len(found.unknown_ids),
            "fallback": found.fallback,
        },
    }


def _exploration(context: Context, answer_id: str, history: Sequence[str]) -> Exploration | None:
    """Drawn anew for each answer, and for each history: a client may name all its requests alike."""
    share = context.settings.explore
    return Exploration(share, "\0".join([answer_id, *history])) if share else None


async def _history(context: Context, user_id: str, needed: bool) -> History:
    """What the endpoint knows of a user; where it cannot be read and is `needed`, HTTPException with 503."""
    try:
        return await context.history(user_id)
    except (EventStoreError, UserStateError):
        if not needed:
            return STALE
        detail = "The user's history cannot be read now: try again, or give a history."
        raise HTTPException(503, detail, {"Retry-After": "1"}) from None


def _shown(found: Recommendation) -> Sequence[dict[str, object]]:
    return [
        {
            "item_id": item.item_id,
            "title": item.title,
            "score": item.score,
            "rank": item.rank,
            "because": item.because and {"item_id": item.because[0], "title": item.because[1]},
        }
        for item in found.items
    ]


def _count(found: Recommendation) -> None:
    telemetry.ANSWERS.inc()
    telemetry.FALLBACKS.inc(found.fallback)
    telemetry.UNKNOWN_IDS.inc(len(found.unknown_ids))
    if found.items and not found.fallback:
        telemetry.BEST_SCORE.observe(found.items[0].score)
