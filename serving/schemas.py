"""What goes over the wire, and the one sentence that says why a request is refused."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, FailFast, Field, StrictBool, ValidationError

MAX_HISTORY = 10_000
MAX_K = 100
MAX_ID = 200

ItemId = (
    Annotated[str, Field(strict=True, min_length=1, max_length=MAX_ID)]
    | Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
)

REQUIREMENTS = {
    "history": f"history must be a list of at most {MAX_HISTORY:,} item ids",
    "k": f"k must be a whole number from 1 to {MAX_K}",
    "exclude_seen": "exclude_seen must be true or false",
}


class RecommendRequest(BaseModel):
    """What a user played, and how many items to recommend."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"history": ["10", "80", "240"], "k": 5},
                {"history": [10, 80, 240], "k": 5, "exclude_seen": False},
                {"history": []},
            ]
        },
    )

    history: Annotated[list[ItemId], FailFast()] = Field(
        max_length=MAX_HISTORY, description="Item ids, oldest first; 10 and “10” name the same item."
    )
    k: int = Field(default=10, strict=True, ge=1, le=MAX_K, description="How many items to recommend.")
    exclude_seen: StrictBool = Field(default=True, description="Leave out the items of the history.")

    def history_ids(self) -> list[str]:
        return [str(item_id) for item_id in self.history]


class CompareRequest(BaseModel):
    """What somebody played, and how many items each model shall recommend."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"history": ["10", "80"]}]})

    history: Annotated[list[ItemId], FailFast()] = Field(max_length=MAX_HISTORY)
    k: int = Field(default=10, strict=True, ge=1, le=MAX_K)

    def history_ids(self) -> list[str]:
        return [str(item_id) for item_id in self.history]


class RecommendedItem(BaseModel):
    """`score` orders the items of one answer; it means nothing across answers."""

    item_id: str
    title: str
    score: float
    rank: int = Field(description="1 is the best.")


class ModelName(BaseModel):
    """Which model answered."""

    version: str
    architecture: str


class RecommendResponse(BaseModel):
    """The best items, best first; fewer than `k` where the catalogue has no more to offer."""

    items: list[RecommendedItem]
    model: ModelName
    unknown_ids: list[str] = Field(description="Ids of the history that the model does not know.")
    fallback: Literal["popularity"] | None = Field(
        description="“popularity” where no item of the history is known: the most played items."
    )
    request_id: str


class ItemName(BaseModel):
    """An item, and what people call it."""

    item_id: str
    title: str


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


class ModelResponse(ModelName):
    """The model that serves now, and where it comes from."""

    n_items: int
    data_fingerprint: str
    bundle_hash: str
    metrics: dict[str, float]
    source: str
    split: str
    loaded_at: str = Field(description="ISO 8601, UTC.")


class Problem(BaseModel):
    """Why a request was refused, in one sentence."""

    detail: str


def refusal(error: ValidationError) -> tuple[int, str]:
    """The HTTP status and the sentence for a body that is no RecommendRequest."""
    problems = error.errors(include_url=False, include_input=False)
    unknown = [f'"{p["loc"][0]}"' for p in problems if p["type"] == "extra_forbidden"]
    if unknown:
        return 422, f"Unknown field {', '.join(unknown)}: the fields are {', '.join(REQUIREMENTS)}."
    first = problems[0]
    if first["type"] == "json_invalid":
        return 400, f"The body is not valid JSON: {first['ctx']['error']}."
    if not first["loc"]:
        return 422, "The body must be a JSON object."
    field, *place = first["loc"]
    if first["type"] == "missing":
        return 422, f"The field {field} is missing: {REQUIREMENTS[str(field)]}."
    if place:
        return 422, (
            f"{field}[{place[0]}] must be an item id: text of 1 to {MAX_ID} characters or a whole number."
        )
    return 422, f"{REQUIREMENTS[str(field)]}."
