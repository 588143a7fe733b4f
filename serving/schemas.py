"""What goes over the wire, and the one sentence that says why a request is refused."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StrictBool,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from models.bundle.ids import MAX_ID, WITHOUT_NUL, trimmed
from serving.recommender import Scored
from serving.state.events import MAX_HISTORY

MAX_K = 100
MAX_FILTERS = 20
MAX_BATCH = 100


NumberId = Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]


def _bare(given: str) -> str:
    """pydantic strips white space alone, and the tables strip signs without width, too."""
    if given.isprintable():
        return given
    if not (bare := trimmed(given)):
        raise ValueError("blank")
    return bare


Id = (  # blanks around it are no part of it, as in the tables
    Annotated[
        str,
        Field(strict=True),
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_ID, pattern=WITHOUT_NUL),
        AfterValidator(_bare),
    ]
    | NumberId
)


# What is asked for, in the words of the sentence that refuses something else.
AN_ID = f"text of 1 to {MAX_ID} characters or a whole number"
A_COUNT = f"a whole number from 1 to {MAX_K}"


def _without_default(schema: dict[str, Any]) -> None:
    """A field that is left out is not null: null is refused."""
    schema.pop("default", None)


FILTER_FORMS: dict[str, Any] = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "boolean"},
        {
            "type": "object",
            "properties": {
                **{how: {"type": "array", "items": {"type": "string"}} for how in ("any", "all", "none")},
                **{end: {"type": "number"} for end in ("min", "max")},
                **{end: {"type": "string", "format": "date"} for end in ("after", "before")},
            },
            "additionalProperties": False,
        },
    ]
}


class RecommendRequest(BaseModel):
    """Whose next play is asked for, what they played, and which items may be recommended. Give `history`,
    `user_id` or both; with both, the history counts, and the user id is kept with the impression."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"history": ["293120", "523300", "383310"], "k": 5},
                {"history": [293120, 523300, 383310], "k": 5, "exclude_seen": False},
                {"history": []},
                {"user_id": "76561197980446842"},
                {"history": ["293120"], "exclude": ["523300"], "explain": True},
            ]
        },
    )

    history: Annotated[list[Id], FailFast()] = Field(
        default_factory=list,
        max_length=MAX_HISTORY,
        description="Item ids, oldest first; 10 and “10” name the same item.",
        json_schema_extra=_without_default,
    )
    user_id: Id = Field(
        default="",
        description="A known user's history is what the endpoint has of them; an unknown one's is empty.",
        json_schema_extra=_without_default,
    )
    k: int = Field(default=10, strict=True, ge=1, le=MAX_K, description="How many items to recommend.")
    exclude_seen: StrictBool | None = Field(
        default=None,
        description="Leave out the items of the history; by default as the model was trained and judged, "
        "which leaves them out unless people often play things again.",
    )
    exclude: Annotated[list[Id], FailFast()] = Field(
        default=[], max_length=MAX_HISTORY, description="Further items to leave out."
    )
    filters: dict[str, Any] = Field(
        default={},
        max_length=MAX_FILTERS,
        description="By field of the catalogue (GET /model lists them): a text, a list of texts (any of "
        "them) or {any, all, none}; {min, max} of a number; {after, before} of a date; true or false.",
        json_schema_extra={"additionalProperties": FILTER_FORMS},
    )
    explain: StrictBool = Field(
        default=False, description="Say for each item which item of the history contributed most to it."
    )

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.model_fields_set & {"history", "user_id"}:
            raise PydanticCustomError("nobody", "The field history is missing, and user_id too: give one.")
        return self

    @property
    def user(self) -> str | None:
        return str(self.user_id) if "user_id" in self.model_fields_set else None

    def history_ids(self) -> list[str] | None:
        """None where only the user is known."""
        return [str(i) for i in self.history] if "history" in self.model_fields_set else None


class BatchRequest(BaseModel):
    """Several queries, answered in their order."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"queries": [{"history": ["293120"], "k": 3}, {"history": []}]}]},
    )

    queries: list[RecommendRequest] = Field(min_length=1, max_length=MAX_BATCH)


class CompareRequest(BaseModel):
    """What somebody played, and how many items each model is to recommend."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"history": ["293120", "523300", "383310"]}]}
    )

    history: Annotated[list[Id], FailFast()] = Field(max_length=MAX_HISTORY)
    k: int = Field(default=10, strict=True, ge=1, le=MAX_K)
    filters: dict[str, Any] = Field(
        default={},
        max_length=MAX_FILTERS,
        description="Which items may be recommended, as in POST /recommend.",
        json_schema_extra={"additionalProperties": FILTER_FORMS},
    )

    def history_ids(self) -> list[str]:
        return [str(item_id) for item_id in self.history]


class ItemName(BaseModel):
    """An item, and what people call it."""

    item_id: str
    title: str


class RecommendedItem(ItemName):
    """`score` orders the items of one answer; it means nothing across answers."""

    score: float
    rank: int = Field(description="1 is the best.")
    because: ItemName | None = Field(
        default=None, description="The item of the history that contributed most, where that was asked for."
    )

    @classmethod
    def of(cls, item: Scored) -> Self:
        because = ItemName(item_id=item.because[0], title=item.because[1]) if item.because else None
        values = {"item_id": item.item_id, "title": item.title, "score": item.score, "rank": item.rank}
        return cls.model_construct(None, **values, because=because)


class ModelName(BaseModel):
    """Which model answered."""

    version: str
    architecture: str


class RecommendResponse(BaseModel):
    """The best items, best first; fewer than `k` where the catalogue has no more to offer."""

    items: list[RecommendedItem]
    model: ModelName
    unknown_ids: list[str] = Field(
        description="Ids of the history that the model does not know; of a stored history the newest 100."
    )
    fallback: Literal["popularity"] | None = Field(
        description="“popularity” where no item of the history is known: the most played items."
    )
    stale_history: bool = Field(
        description="True where the event store could not be asked: what the user played since the last run "
        "is not in the history."
    )
    request_id: str


class BatchResponse(BaseModel):
    """One answer per query, in their order; the request id of each names it in the impressions."""

    answers: list[RecommendResponse]
    request_id: str


class SimilarResponse(BaseModel):
    """The items most like one item, most alike first."""

    item: ItemName
    items: list[RecommendedItem]
    model: ModelName
    request_id: str


class ItemsResponse(BaseModel):
    """Items found by their titles, best first."""

    items: list[ItemName]


class Column(BaseModel):
    """What one model says; `name` is its architecture."""

    name: str
    role: Literal["champion", "baseline"]
    items: list[RecommendedItem]


class CompareResponse(BaseModel):
    """The champion first, then the baselines that it had to beat, as far as they are published with it."""

    history: list[ItemName] = Field(description="The items of the history that the models know.")
    unknown_ids: list[str] = Field(description="Ids of the history that they do not know.")
    columns: list[Column]
    model: ModelName
    request_id: str


class Examples(BaseModel):
    """Histories to start from, oldest first."""

    examples: list[list[ItemName]]


class Choices(BaseModel):
    """What the demo page offers: the fields to filter by, and whether there are reports to read."""

    fields: dict[str, dict[str, Any]]
    reports: bool


class ModelResponse(ModelName):
    """The model that serves now, and where it comes from."""

    release: str = Field(description="The release of Nextplay that answers.")
    bundle_release: str = Field(description="The one that made the model; empty if older than 1.0.0.")
    n_items: int
    data_fingerprint: str
    bundle_hash: str
    metrics: dict[str, float]
    source: str
    split: str
    trained_on: str = Field(
        description="`everything`, where the model that was judged was then trained once more on all plays; "
        "else `training part`."
    )
    trained_until: str = Field(
        description="The UTC day of the newest play of a model trained on everything; empty if unknown."
    )
    trend_until: str = Field(
        description="The newest play that the model's recent popularity counts, ISO 8601, UTC: it follows "
        "the events. Empty where the model has none."
    )
    twin: str = Field(
        description="Of a model trained on everything, the hash of the bundle that was judged: metrics and "
        "verdict are that one's. Else empty."
    )
    verdict: str = Field(
        description="Why it was promoted: whom it beat and by how much, or the reason that a person gave."
    )
    promoted_at: str = Field(description="ISO 8601, UTC.")
    loaded_at: str = Field(description="ISO 8601, UTC.")
    filters: dict[str, dict[str, Any]] = Field(
        description="What can be filtered by: each field's kind, and its most common values or its range."
    )


class Problem(BaseModel):
    """Why a request was refused, in one sentence."""

    detail: str
