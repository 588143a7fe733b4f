"""The items that applications list at the endpoint: in the vocabulary, whether or not anybody plays them."""

import json
from collections.abc import Callable, Mapping
from datetime import date
from time import monotonic
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.contracts import checks_of
from assets.formats import item_values
from assets.formats.table import Column, Table, flag, number, text, texts
from assets.resources import Home
from assets.shown.tables import columns_shown, table_result
from assets.state.by_content import publish_rows
from assets.state.code import made_by
from assets.state.lake import Lake
from models.bundle.attributes import LIST_SEPARATOR, is_date, parts
from models.bundle.ids import trimmed

CODE = made_by(__name__)
LISTED_ITEMS = Table(
    "listed_items",
    "The items that applications list at the endpoint (POST /items), as they were when the run began.",
    (
        text("item_id", "of the item"),
        text("title", "as its application gave it"),
        texts("genres", "as its application gave them", nullable=True),
        texts("tags", "as its application gave them", nullable=True),
        number("price", "in the currency of the source", nullable=True, at_least=0),
        Column("release_date", pa.date32(), "where the application gave a date", nullable=True),
        flag("early_access", "sold before it was finished", nullable=True),
        text("attributes", "further ones, a JSON object", nullable=True, filled=False),
    ),
)
AS_IN_A_FILE: Mapping[str, Callable[[str], str | None]] = {
    "price": item_values.price,
    "release_date": item_values.day,
    "early_access": item_values.flag,
}
OWN = ("genres", "tags", "price", "release_date", "early_access")  # that have a column


@dg.asset(
    pool="lake",
    kinds={"duckdb"},
    code_version=CODE,
    deps=["received_events"],
    description=LISTED_ITEMS.words,
    metadata=columns_shown(LISTED_ITEMS),
)
def listed_items(home: Home) -> dg.MaterializeResult[None]:
    started, lake, store = monotonic(), home.lake(), home.event_store()
    there = []
    if store is not None:
        there = [_row(item.item_id, item.title, json.loads(item.attributes)) for item in store.listed_items()]
        store.close()
    rows = LISTED_ITEMS.rows(there)
    version = publish_rows(lake, LISTED_ITEMS.name, lambda path: pq.write_table(rows, path))
    with lake.connect(LISTED_ITEMS.name) as connection:
        return table_result(connection, version, started, {})


def listed(lake: Lake) -> pa.Table:
    """The listed items, by their ids; none where they were never taken over."""
    if not lake.has(LISTED_ITEMS.name):
        return LISTED_ITEMS.schema.empty_table()
    return pq.read_table(lake.current(LISTED_ITEMS.name).path).cast(LISTED_ITEMS.schema)


def _row(item_id: str, title: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A value of another kind than its column's is left out: the endpoint knew another catalogue.

    A text of such a kind is read as a file of items would have it.
    """
    given = {name: _as_in_a_file(name, value) for name, value in attributes.items()}
    price, day, early = (given.get(name) for name in ("price", "release_date", "early_access"))
    is_price = isinstance(price, int | float) and not isinstance(price, bool) and price >= 0
    further = {name: _text(value) for name, value in attributes.items() if name not in OWN}
    return {
        "item_id": item_id,
        "title": title,
        **{name: _texts(attributes.get(name)) for name in ("genres", "tags")},
        "price": float(price) if is_price else None,  # type: ignore[arg-type]
        "release_date": date.fromisoformat(day) if isinstance(day, str) and is_date(day) else None,
        "early_access": early if isinstance(early, bool) else None,
        "attributes": json.dumps(further, ensure_ascii=False, sort_keys=True) if further else None,
    }


def _as_in_a_file(name: str, value: Any) -> Any:
    read = AS_IN_A_FILE.get(name)
    if read is None or not isinstance(value, str):
        return value
    found = read(trimmed(value))
    return found if found is None or name == "release_date" else json.loads(found)


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, str | list):
        return None
    return parts(LIST_SEPARATOR.join(value if isinstance(value, list) else [value])) or None


def _text(value: Any) -> str:
    """As the column `attributes` has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return LIST_SEPARATOR.join(value) if isinstance(value, list) else str(value)


LISTED_CHECKS = checks_of(LISTED_ITEMS)
