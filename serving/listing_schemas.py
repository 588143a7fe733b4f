"""What goes over the wire about listed items, and why a body with some is refused."""

import json
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)
from pydantic_core import PydanticCustomError

from models.bundle.attributes import DATE, FLAG, NUMBER, TEXT
from models.bundle.ids import MAX_ID, WITHOUT_NUL, trimmed
from serving.filters import MOST
from serving.refusals import refusal_of_list
from serving.schemas import AN_ID, Id, ModelName
from serving.state.events import ListedItem
from serving.with_listed import value_of

MAX_ITEMS = 100  # of one request
MAX_ATTRIBUTES = 50  # of one item
MAX_TITLE = 500  # characters
MAX_TEXTS = 100  # in a list
MAX_TEXT = 1_000  # characters

TITLE = f"text of 1 to {MAX_TITLE} characters"
VALUE = (
    f"text of 1 to {MAX_TEXT:,} characters, a list of 1 to {MAX_TEXTS} such texts, a number, true or false"
)
A_NAME = f"text of 1 to {MAX_ID} characters"
REQUIREMENTS = {
    "item_id": AN_ID,
    "title": TITLE,
    "attributes": f"an object of at most {MAX_ATTRIBUTES} attributes",
}
KINDS = {
    TEXT: "a text or a list of texts",
    NUMBER: "a number",
    DATE: "a date such as 2018-01-04",
    FLAG: "true or false",
}


class NewItem(BaseModel):
    """An item that may be recommended, whether or not anybody has played it."""

    model_config = ConfigDict(extra="forbid")

    item_id: Id
    title: Annotated[
        str,
        Field(strict=True),
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE, pattern=WITHOUT_NUL),
    ] = Field(description="What people call it.")
    attributes: dict[str, Any] = Field(
        default={},
        max_length=MAX_ATTRIBUTES,
        description="What it is like, by the fields of the catalogue (GET /model lists them), and others: "
        "a text, a list of texts, a number, a date as text, true or false.",
        json_schema_extra={
            "additionalProperties": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}},
                    {"type": "number"},
                    {"type": "boolean"},
                ]
            }
        },
    )

    @field_validator("attributes")
    @classmethod
    def _values(cls, attributes: dict[str, Any]) -> dict[str, Any]:
        found = {trimmed(name): value for name, value in attributes.items()}
        for name, value in found.items():
            if not _is_text(name, MAX_ID) or len(found) < len(attributes):
                raise PydanticCustomError("name", "")
            if not _is_value(value):
                raise PydanticCustomError("value", "{name}", {"name": name})
        return found

    def listed(self) -> ListedItem:
        text = json.dumps(self.attributes, ensure_ascii=False, sort_keys=True)
        return ListedItem(str(self.item_id), self.title, text)


class ListingRequest(BaseModel):
    """Items to list."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "item_id": "new-1",
                            "title": "Stellar Drift",
                            "attributes": {"genres": ["Action", "Indie"], "release_date": "2026-11-28"},
                        }
                    ]
                }
            ]
        },
    )

    items: Annotated[list[NewItem], FailFast()] = Field(min_length=1, max_length=MAX_ITEMS)


class ListingResponse(BaseModel):
    """What became of the items: all of them are durable, and in answers within seconds."""

    listed: int = Field(description="Those that were not listed before.")
    replaced: int = Field(description="Those that were, and are described anew.")
    played: list[str] = Field(
        description="Those that the model in service knows by their plays: it answers for them as before."
    )
    request_id: str


class UnlistedResponse(BaseModel):
    """An item that is listed no more."""

    item_id: str
    request_id: str


class ItemResponse(BaseModel):
    """What the model in service knows of an item."""

    item_id: str
    title: str
    attributes: dict[str, Any]
    plays: int = Field(description="How often it was played in what the model has learned from.")
    model: ModelName
    request_id: str


def kind_fault(attributes: dict[str, Any], kinds: dict[str, str]) -> str | None:
    """Why attributes do not fit those of the catalogue, if so."""
    for name, value in attributes.items():
        if name in kinds and value_of(kinds[name], value) is None:
            return f"{name[:50]} must be {KINDS[kinds[name]]}, as in the catalogue"
    return None


def refuse_listing(error: ValidationError) -> tuple[int, str]:
    """The HTTP status and the sentence for a body that is no ListingRequest."""
    return refusal_of_list(error, "items", f"1 to {MAX_ITEMS} items", REQUIREMENTS, _of_field)


def _of_field(kind: str, message: str, item: str, field: str) -> str:
    if kind == "value":
        return f"{item}.{field}.{message[:50]} must be {VALUE}."
    if kind == "name":
        return f"The name of an attribute in {item} must be {A_NAME}, and stand there once."
    if kind == "string_pattern_mismatch":
        return f"{item}.{field} must not hold a NUL character."
    return f"{item}.{field} must be {REQUIREMENTS[field]}."


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and len(trimmed(value)) > 0 and len(value) <= longest and "\0" not in value


def _is_value(value: Any) -> bool:
    if isinstance(value, bool):
        return True
    if isinstance(value, int | float):
        return abs(value) < MOST
    texts = value if isinstance(value, list) else [value]
    return 0 < len(texts) <= MAX_TEXTS and all(_is_text(text, MAX_TEXT) for text in texts)
