"""What clients report: plays, and users who want to be forgotten."""

import asyncio

from fastapi import APIRouter, Depends, HTTPException, Request

from models.bundle.ids import MAX_ID, trimmed
from models.feedback import Feedback, FeedbackError
from serving import telemetry
from serving.bodies import PROBLEMS, given_once, read_body
from serving.context import Context
from serving.event_schemas import (
    EventsRequest,
    EventsResponse,
    ForgottenResponse,
    PlayEvent,
    refuse_events,
)
from serving.openapi import describe_body
from serving.recorder import Recorder, StoreBusyError
from serving.routes.ids import USER_PATH
from serving.schemas import Problem
from serving.state.events import Conflict, EventStoreError, Play, is_id

NO_STORE: dict[str, object] = {"model": Problem, "description": "No events are kept here."}
BUSY: dict[str, object] = {"model": Problem, "description": "It could not be stored now: send it again."}
CONFLICT: dict[str, object] = {
    "model": Problem,
    "description": "An event id was there with another content: nothing of the request is stored.",
}
EVENT_PROBLEMS = {**PROBLEMS, 404: NO_STORE, 409: CONFLICT, 503: BUSY}


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.post("/events", responses=EVENT_PROBLEMS, openapi_extra=describe_body(EventsRequest))
    async def events(request: Request) -> EventsResponse:
        """Store plays and feedback: acknowledged once they are durable. One sent twice, with one id, counts
        once."""
        query = await read_body(request, EventsRequest, refuse_events)
        plays = [_play(number, event, context.feedback) for number, event in enumerate(query.events)]
        try:
            outcome = await asyncio.wrap_future(_recorder(context).add(plays))
        except StoreBusyError as error:
            raise HTTPException(503, f"{error} Send it again.", {"Retry-After": "1"}) from None
        if isinstance(outcome, Conflict):
            raise HTTPException(
                409,
                f"The event {outcome.event_id} is there with another {outcome.field}, so nothing of this "
                "request is stored: give every event an id of its own.",
            )
        request.state.fields.update(events=len(plays), **vars(outcome))
        return EventsResponse(
            **vars(outcome),
            unknown_items=_unknown(context, [play.item_id for play in plays]),
            request_id=request.state.request_id,
        )

    @routes.delete(USER_PATH, responses={404: NO_STORE, 503: BUSY}, dependencies=[Depends(given_once)])
    @routes.delete("/users", responses={404: NO_STORE, 503: BUSY}, dependencies=[Depends(given_once)])
    async def forget(request: Request, user_id: str) -> ForgottenResponse:
        """Remove a user's events, impressions and history, at once and from the tables of the next run."""
        _recorder(context)
        user_id = trimmed(user_id)
        if not is_id(user_id):
            detail = f"The user id must be text of 1 to {MAX_ID} characters, none of them NUL."
            raise HTTPException(422, detail)
        try:
            removed = await context.ask_store(context.users.forget, user_id)
        except EventStoreError as error:
            telemetry.log("user not forgotten", reason=str(error))
            detail = "The user could not be forgotten now: send it again."
            raise HTTPException(503, detail, {"Retry-After": "1"}) from None
        return ForgottenResponse(user_id=user_id, **vars(removed), request_id=request.state.request_id)

    return routes


def _play(number: int, event: PlayEvent, feedback: Feedback) -> Play:
    try:
        return event.play(feedback)
    except FeedbackError as error:
        raise HTTPException(422, f"events[{number}].kind must {error}.") from None


def _recorder(context: Context) -> Recorder:
    if context.recorder is None:
        raise HTTPException(404, "No events are kept here: start the endpoint with NEXTPLAY_EVENTS=path.")
    return context.recorder


def _unknown(context: Context, item_ids: list[str]) -> list[str]:
    """Items that the model in service does not know; none where there is no model yet."""
    model = context.follower.current
    return [i for i in dict.fromkeys(item_ids) if model and not model.recommender.knows(i)]
