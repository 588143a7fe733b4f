"""What applications list is in the next night's vocabulary, with all that they say of it, until removed."""

import json
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.resources import Cleaning, Home, Splitting
from assets.sequences import listed_items as listing
from assets.sequences import sequences
from pipelines.inputs import events_state
from serving.state.events import ListedItem
from serving.state.events_sqlite import SqliteEventStore
from tests.support.homes import rows
from tests.support.tables import publish

PLAYED = {"u2": ["9", "10", "70", "7"], "u10": ["7", "9", "10"], "u1": ["70", "9"]}
CORE = [(user, item, n, 61, None) for user, items in PLAYED.items() for n, item in enumerate(items)]
GIVEN = {
    "genres": ["Action", "Indie", "Indie"], "tags": "Space", "price": 9, "release_date": "2026-11-28",
    "early_access": True, "studio": ["Us", "Them"], "players": 4, "vr": False,
}  # fmt: skip

AS_TEXT = {"price": "9,99 €", "release_date": "Nov 28, 2026", "early_access": "no"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "core_interactions", CORE)
    publish(home.lake(), "catalogue", [("7", "Seven", ["Old"])])
    publish(home.lake(), "item_names", [("7", "seven")])
    return home


def materialize(home: Home) -> None:
    result = dg.materialize(
        [listing.listed_items, sequences.sequences, *listing.LISTED_CHECKS, *sequences.SEQUENCES_CHECKS],
        resources={"home": home, "cleaning": Cleaning(), "splitting": Splitting()},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    assert all(found.passed for found in result.get_asset_check_evaluations())


@pytest.mark.slow
def test_without_a_listing_the_tables_are_those_of_the_source(home: Home) -> None:
    materialize(home)
    before = {table: home.lake().current(table).content_hash for table in sequences.SEQUENCES_TABLES}
    assert rows(home, "listed_items") == []
    store = SqliteEventStore(home.events_file)
    store.close()
    materialize(home)
    assert {table: home.lake().current(table).content_hash for table in before} == before
    assert [item for (item,) in rows(home, "items", "item_id")] == ["10", "7", "70", "9"]


def test_a_listed_item_is_in_the_vocabulary_until_it_is_removed(home: Home) -> None:
    store = SqliteEventStore(home.events_file)
    before = events_state(home)
    store.list_items(
        [
            ListedItem("50", "Stellar Drift", json.dumps(GIVEN)),
            ListedItem("60", "Odd", json.dumps({"price": "cheap", "genres": 3, "release_date": "soon"})),
            ListedItem("65", "As text", json.dumps(AS_TEXT)),
            ListedItem("7", "Another", json.dumps({"genres": ["New"], "price": 5})),
        ]
    )
    assert events_state(home) != before  # the night has something to do
    materialize(home)
    found = rows(home, "items", "item_id, title, count, genres, tags, price, release_date, early_access")
    assert found[1:5] == [
        ("50", "Stellar Drift", 0, ["Action", "Indie"], ["Space"], 9.0, date(2026, 11, 28), True),
        ("60", "Odd", 0, None, None, None, None, None),
        ("65", "As text", 0, None, None, 9.99, date(2026, 11, 28), False),
        ("7", "Seven", 1, ["Old"], None, 5.0, None, None),  # the catalogue has the first word
    ]
    assert rows(home, "items", "item_index") == [(n,) for n in range(1, 8)]
    further = dict(rows(home, "items", "item_id, attributes"))["50"]
    assert json.loads(further) == {"players": "4", "studio": "Us|Them", "vr": "false"}
    assert all(store.unlist(item) for item in ("50", "60", "65", "7"))
    store.close()
    materialize(home)
    assert [item for (item,) in rows(home, "items", "item_id")] == ["10", "7", "70", "9"]
    assert events_state(home) == before
