"""What a user plays next."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic_core import to_json

from serving import telemetry
from serving.bodies import PROBLEMS, read_body
from serving.context import Context
from serving.exploring import Exploration
from serving.filters import FilterError
from serving.openapi import describe_body
from serving.recommender import Recommendation, Scored
from serving.reload import ServedModel
from serving.schemas import BatchRequest, BatchResponse, RecommendRequest, RecommendResponse
from serving.state.events import MAX_HISTORY, EventStoreError, now_ms
from serving.state.user_state import UserStateError
from serving.users import History

NOBODYS, STALE = History([]), History([], stale=True)
MOST_UNKNOWN = 100  # ids of a stored history that are named, the newest: a small request names many histories
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
        answered = await _answer(context, context.model(), query, request.state.request_id)
        _give(context, answered)
        request.state.fields.update(answered.log)
        return Response(to_json(answered.body), media_type="application/json")

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
        answers = list[Answered]()
        for number, query in enumerate(queries):
            try:
                answers.append(await _answer(context, model, query, f"{request_id}-{number}"))
            except HTTPException as problem:
                detail = f"queries[{number}]: {problem.detail}"
                raise HTTPException(problem.status_code, detail, problem.headers) from None
        for answered in answers:  # all, or none: what was not answered was not shown
            _give(context, answered)
        request.state.fields.update(version=model.version, queries=len(queries))
        body = {"answers": [answered.body for answered in answers], "request_id": request_id}
        return Response(to_json(body), media_type="application/json")

    return routes


@dataclass(frozen=True)
class Answered:
    """The answer to one query, and what is kept and counted of it once it is given."""

    body: dict[str, object]
    answer_id: str
    user_id: str | None
    items: Sequence[Scored]
    version: str
    fallback: str | None
    history: int
    unknown: int

    @property
    def log(self) -> dict[str, object]:
        """What the log line of its request says of it."""
        return {
            "version": self.version,
            "history": self.history,
            "unknown": self.unknown,
            "fallback": self.fallback is not None,
        }


async def _answer(context: Context, model: ServedModel, query: RecommendRequest, answer_id: str) -> Answered:
    """The answer to one query. HTTPException where a filter is wrong."""
    history, known = query.history_ids(), NOBODYS
    if query.user is not None:
        known = await _history(context, query.user, needed=history is None)
    named = MOST_UNKNOWN if history is None else MAX_HISTORY
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
    body: dict[str, object] = {
        "items": _shown(found),
        "model": {"version": model.version, "architecture": model.architecture},
        "unknown_ids": found.unknown_ids[-named:],
        "fallback": fallback,
        "stale_history": known.stale,
        "request_id": answer_id,
    }
    return Answered(
        body,
        answer_id,
        query.user,
        found.items,
        model.version,
        fallback,
        len(history),
        len(found.unknown_ids),
    )


def _give(context: Context, answered: Answered) -> None:
    """Keep and count what somebody is about to be shown."""
    context.log_answer(
        answered.answer_id, answered.user_id, answered.items, answered.version, answered.fallback
    )
    telemetry.ANSWERS.inc()
    telemetry.FALLBACKS.inc(answered.fallback is not None)
    telemetry.UNKNOWN_IDS.inc(answered.unknown)
    if answered.items and answered.fallback is None:
        telemetry.BEST_SCORE.observe(answered.items[0].score)


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
