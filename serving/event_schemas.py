"""What goes over the wire about play events and users, and why a body with events is refused."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator

from models.bundle.ids import MAX_ID, WITHOUT_NUL
from models.feedback import MAX_NAME, PLAY, Feedback
from serving.refusals import refusal_of_list
from serving.schemas import AN_ID, Id
from serving.state.events import CLOCK_TOLERANCE_MS, Play, now_ms

MAX_EVENTS = 1_000
EARLIEST_MS = 100_000_000_000  # March 1973: a smaller number is a time in seconds

REQUIREMENTS = {
    "event_id": AN_ID,
    "user_id": AN_ID,
    "item_id": AN_ID,
    "played_at": "a whole number of milliseconds since 1970, UTC, after 1973 and at most a day ahead",
    "request_id": f"text of 1 to {MAX_ID} characters",
    "kind": f"a kind of feedback, text of at most {MAX_NAME} characters",
    "value": "a number",
}


class PlayEvent(BaseModel):
    """One user played one item, or told something else of it."""

    model_config = ConfigDict(extra="forbid")

    event_id: Id = Field(description="Chosen by the client, one per event: an event sent again counts once.")
    user_id: Id
    item_id: Id
    played_at: int | None = Field(
        default=None, strict=True, description="Milliseconds since 1970, UTC; now, where it is left out."
    )
    request_id: str | None = Field(
        default=None, strict=True, min_length=1, max_length=MAX_ID, pattern=WITHOUT_NUL,
        description="Of the answer in which the item was recommended.",
    )  # fmt: skip

    kind: str = Field(
        default=PLAY,
        strict=True,
        max_length=MAX_NAME,
        description="What the user did: play, or a kind of NEXTPLAY_FEEDBACK. A refusal, such as dislike, "
        "ends recommendations of the item to the user, until the next play of it.",
    )
    value: float | None = Field(
        default=None, allow_inf_nan=False, description="How much: the stars of a rating, the hours of a play."
    )

    @field_validator("value", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool | str):
            raise ValueError("no number")
        return value

    @field_validator("played_at")
    @classmethod
    def _plausible(cls, played_at: int | None) -> int | None:
        if played_at is not None and not EARLIEST_MS <= played_at <= now_ms() + CLOCK_TOLERANCE_MS:
            raise ValueError("out of range")
        return played_at

    def play(self, feedback: Feedback) -> Play:
        """Raises FeedbackError where the kind is none that is known, or lacks its value."""
        return Play(
            str(self.event_id), str(self.user_id), str(self.item_id), self.played_at, self.request_id,
            self.kind, self.value, feedback.counts(self.kind, self.value),
        )  # fmt: skip


class EventsRequest(BaseModel):
    """Play events, in any order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"events": [{"event_id": "a-1", "user_id": "ada", "item_id": "293120"}]},
                {"events": [{"event_id": 2, "user_id": "ada", "item_id": 30510, "played_at": 1760000000000}]},
                {"events": [{"event_id": "a-3", "user_id": "ada", "item_id": "30510", "kind": "dislike"}]},
            ]
        },
    )

    events: Annotated[list[PlayEvent], FailFast()] = Field(min_length=1, max_length=MAX_EVENTS)


class EventsResponse(BaseModel):
    """What became of the events: all of them are durable, or were dropped as their user is forgotten."""

    stored: int
    repeated: int = Field(description="Those that were there already.")
    forgotten: int = Field(description="Those of users who asked to be forgotten: dropped.")
    unknown_items: list[str] = Field(
        description="Items of the request that the model in service does not know; a later one may."
    )
    request_id: str


class ForgottenResponse(BaseModel):
    """How much of a user was removed."""

    user_id: str
    events: int
    impressions: int
    request_id: str


def refuse_events(error: ValidationError) -> tuple[int, str]:
    """The HTTP status and the sentence for a body that is no EventsRequest."""
    return refusal_of_list(error, "events", f"1 to {MAX_EVENTS:,} play events", REQUIREMENTS, _of_field)


def _of_field(kind: str, message: str, event: str, field: str) -> str:
    nul = kind == "string_pattern_mismatch"
    return f"{event}.{field} must {'not hold a NUL character' if nul else f'be {REQUIREMENTS[field]}'}."
