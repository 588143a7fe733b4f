"""What the endpoint offers beyond the plain answer: filters, exclusions, batches, likeness, search."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from models.bundle.attributes import Attribute
from models.bundle.bundle import ItemTable, read_golden, read_items, read_manifest, write_bundle
from serving.app import create_app
from serving.filters import Filters
from serving.settings import Settings
from serving.state.user_state import SNAPSHOT_FILE, write_snapshot

N_ITEMS = 150
GENRES = [None, *(["Action"] if i % 2 else ["Indie", "RPG"] for i in range(1, N_ITEMS + 1))]
PRICES = [None, *(None if i % 10 == 0 else float(i % 30) for i in range(1, N_ITEMS + 1))]
DATES = [None, *(f"20{10 + i % 10}-06-15" for i in range(1, N_ITEMS + 1))]
EARLY = [None, *(i % 7 == 0 for i in range(1, N_ITEMS + 1))]


def describe(bundle: Path) -> Path:
    """Give the items of a bundle attributes and titles that can be told apart."""
    items = read_items(bundle)
    titles = [*items.titles]
    titles[5], titles[6], titles[7] = "Portal™", "Portal 2", "Pörtål Stories: Mel"
    attributes = {
        "genres": Attribute("text", GENRES),
        "price": Attribute("number", PRICES),
        "release_date": Attribute("date", DATES),
        "early_access": Attribute("flag", EARLY),
    }
    described = ItemTable(items.ids, titles, items.counts, attributes)
    write_bundle(bundle, read_manifest(bundle), described, read_golden(bundle))
    return bundle


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: Callable[..., Path],
    make_table: Callable[[int], NDArray[np.float32]],
    write_pointer: Callable[..., None],
) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_pointer(folder / "champion.json", describe(make_bundle(folder / "bundle", make_table(1))), "a1")
    write_snapshot(folder / SNAPSHOT_FILE, [("u1", ["3", "7"])], "f", 0)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    settings = Settings(
        pointer=folder / "champion.json", poll_seconds=0.01, blocklist=folder / "blocked.txt", demo=False
    )
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def ids(client: TestClient, path: str = "/recommend", **body: object) -> list[int]:
    answer = client.post(path, json={"history": ["3", "7"], "k": 100} | body)
    assert answer.status_code == 200, answer.text
    return [int(item["item_id"]) for item in answer.json()["items"]]


PASSING: list[tuple[dict[str, Any], Callable[[int], bool]]] = [
    ({"genres": "action"}, lambda i: i % 2 == 1),
    ({"genres": ["Indie", "nothing"]}, lambda i: i % 2 == 0),
    ({"genres": {"all": ["Indie", "RPG"]}}, lambda i: i % 2 == 0),
    ({"genres": {"any": ["RPG", "Action"], "none": ["Indie"]}}, lambda i: i % 2 == 1),
    ({"genres": {"none": ["Action"]}}, lambda i: i % 2 == 0),
    ({"price": {"max": 10}}, lambda i: i % 10 != 0 and i % 30 <= 10),
    ({"price": {"min": 5.0, "max": 5}}, lambda i: i % 30 == 5),
    ({"release_date": {"after": "2015-06-15"}}, lambda i: i % 10 >= 5),
    ({"release_date": {"after": "2012-01-01", "before": "2014-06-15"}}, lambda i: i % 10 in (2, 3)),
    ({"early_access": True}, lambda i: i % 7 == 0),
    ({"early_access": False, "genres": "RPG"}, lambda i: i % 7 != 0 and i % 2 == 0),
    ({"genres": "nothing"}, lambda i: False),
    ({}, lambda i: True),
]


@pytest.mark.parametrize(("filters", "passes"), PASSING)
@pytest.mark.parametrize("history", [["3", "7"], []])
def test_filters_leave_what_passes_in_the_same_order(
    client: TestClient, filters: dict[str, Any], passes: Callable[[int], bool], history: list[str]
) -> None:
    everything = ids(client, history=history)
    found = ids(client, history=history, filters=filters)
    expected = {i for i in range(1, N_ITEMS + 1) if passes(i) and str(i) not in history}
    assert set(found) <= expected and len(found) == min(100, len(expected))
    assert [i for i in everything if i in expected] == [i for i in found if i in everything]


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"gneres": "x"}, 'no field "gneres" to filter by: the catalogue knows early_access, genres, price,'),
        ({"genres": 5}, "filters.genres must be a text or a list of texts"),
        ({"genres": []}, "filters.genres must be a text or a list of texts"),
        ({"genres": {"some": ["x"]}}, "filters.genres must be a text, a list of texts, or"),
        ({"genres": ["x"] * 101}, "at most 100 texts"),
        ({"price": 5}, 'filters.price must be {"min", "max"}, one or both, with numbers'),
        ({"price": {"max": "5"}}, "filters.price takes numbers"),
        ({"price": {"after": "2015-01-01"}}, 'filters.price must be {"min", "max"}'),
        ({"release_date": {"after": "2015"}}, "filters.release_date takes dates such as 2018-01-04"),
        ({"release_date": {"after": "2015-02-30"}}, "filters.release_date takes dates"),
        ({"release_date": {"after": "2018-W01-1"}}, "filters.release_date takes dates"),
        ({"price": {"min": 10**400}}, "filters.price takes numbers"),
        ({"early_access": "yes"}, "filters.early_access must be true or false"),
        (["x"], "filters must be an object"),
        ({str(i): 1 for i in range(21)}, "filters must be an object of at most 20 fields"),
    ],
)
def test_a_wrong_filter_is_one_sentence(client: TestClient, filters: object, words: str) -> None:
    answer = client.post("/recommend", json={"history": ["3"], "filters": filters})
    assert answer.status_code == 422
    assert words in answer.json()["detail"] and answer.json()["detail"].endswith(".")


def test_a_catalogue_without_attributes_says_so(bundles: dict[str, Path]) -> None:
    from serving.filters import FilterError
    from serving.recommender import Recommender

    with pytest.raises(FilterError, match="the catalogue knows nothing to filter by"):
        Recommender(bundles["a"]).recommend(["3"], 5, filters={"price": {"min": 1}})


def test_a_filter_costs_by_what_it_names_and_not_by_all_the_values_that_there_are() -> None:
    developers = Attribute("text", [None, *([f"Developer {i}", f"Publisher {i}"] for i in range(20_000))])
    filters = Filters({"developer": developers})
    started = time.process_time()
    for _ in range(100):
        passing = filters.mask({"developer": {"none": ["developer 7"]}})
        filters.describe()
    assert passing is not None and passing.sum() == 19_999 and not passing[[0, 8]].any()
    assert time.process_time() - started < 3


def test_the_model_lists_what_can_be_filtered_by(client: TestClient) -> None:
    assert client.get("/model").json()["filters"] == {
        "early_access": {"kind": "flag"},
        "genres": {"kind": "text", "values": ["Action", "Indie", "RPG"]},
        "price": {"kind": "number", "least": 1.0, "greatest": 29.0},
        "release_date": {"kind": "date", "least": "2010-06-15", "greatest": "2019-06-15"},
    }


def test_excluded_items_are_left_out_and_unknown_ones_ignored(client: TestClient) -> None:
    first, second, *_ = ids(client)
    assert not {first, second} & set(ids(client, exclude=[str(first), second, "unknown"]))


def test_the_blocklist_is_followed_and_a_broken_one_changes_nothing(
    client: TestClient, folder: Path, wait_until: Callable[..., None]
) -> None:
    first, second, *_ = ids(client)
    file = folder / "blocked.txt"
    file.write_text(f"{first}\n\n {second} \nunknown\n")
    wait_until(lambda: first not in ids(client))
    assert second not in ids(client)
    similar = client.get(f"/similar/{ids(client)[0]}", params={"k": 100}).json()["items"]
    assert str(first) not in {item["item_id"] for item in similar}
    assert "nextplay_blocklist_items 3.0" in client.get("/metrics").text
    file.write_bytes(b"\xff\xfe\n" + b"x" * 500)
    wait_until(lambda: ids(client) and "nextplay_blocklist_failing 1.0" in client.get("/metrics").text)
    assert first not in ids(client)
    file.unlink()
    assert first not in ids(client)
    file.write_text("")
    wait_until(lambda: first in ids(client))
    assert "nextplay_blocklist_failing 0.0" in client.get("/metrics").text


def test_a_user_id_alone_is_enough_and_an_unknown_user_gets_popularity(client: TestClient) -> None:
    known = client.post("/recommend", json={"user_id": "u1", "k": 100}).json()
    assert [int(item["item_id"]) for item in known["items"]] == ids(client) and known["fallback"] is None
    unknown = client.post("/recommend", json={"user_id": 12345}).json()
    assert unknown["fallback"] == "popularity" and unknown["items"][0]["item_id"] == "150"
    both = client.post("/recommend", json={"user_id": "u1", "history": ["9"], "k": 100}).json()
    assert [int(item["item_id"]) for item in both["items"]] == ids(client, history=["9"])


def test_because_is_the_item_without_which_the_score_falls_most(
    client: TestClient, make_table: Callable[[int], NDArray[np.float32]]
) -> None:
    """A score is the sum of entries in the rows of the newest five; without one, the sixth moves in."""
    table, history = make_table(1), [60, 3, 7, 20, 41, 99]
    answer = client.post("/recommend", json={"history": history, "k": 50, "explain": True}).json()
    newest, before = history[1:], history[0]
    for item in answer["items"]:
        column = table[:, int(item["item_id"])]
        falls = {i: column[i] - column[before] for i in newest}  # the sixth moves into the window
        best = max(falls, key=lambda i: falls[i])
        expected = {"item_id": str(best), "title": item["because"]["title"]} if falls[best] > 0 else None
        assert item["because"] == expected
    assert {item["because"] for item in client.post("/recommend", json={"history": [3]}).json()["items"]} == {
        None
    }
    one = client.post("/recommend", json={"history": [3], "explain": True}).json()["items"]
    assert {item["because"]["item_id"] for item in one} == {"3"}
    nothing = client.post("/recommend", json={"history": [], "explain": True}).json()["items"]
    assert {item["because"] for item in nothing} == {None}


def test_a_batch_gives_the_answers_of_its_queries(client: TestClient) -> None:
    queries = [{"history": ["3"], "k": 3}, {"user_id": "u1", "filters": {"genres": "rpg"}}, {"history": []}]
    batch = client.post("/recommend/batch", json={"queries": queries}).json()
    assert len({answer["request_id"] for answer in batch["answers"]}) == 3
    for query, answer in zip(queries, batch["answers"], strict=True):
        alone = client.post("/recommend", json=query).json()
        assert answer | {"request_id": ""} == alone | {"request_id": ""}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "The field queries is missing: queries must be a list of 1 to 100 queries."),
        ({"queries": []}, "queries must be a list of 1 to 100 queries."),
        ({"queries": [{"history": []}] * 101}, "queries must be a list of 1 to 100 queries."),
        (
            {"queries": [{"history": []}, {"k": 1}]},
            "queries[1]: The field history is missing, and user_id too",
        ),
        ({"queries": [{"history": [], "k": 0}]}, "queries[0]: k must be a whole number from 1 to 100."),
        ({"queries": [{"history": [[]]}]}, "queries[0]: history[0] must be an item id"),
        (
            {"queries": [{"history": [], "x": 1}]},
            'queries[0]: Unknown field "x": the fields are history, user_id',
        ),
        ({"queries": [{"history": []}, 5]}, "queries[1]: The body must be a JSON object."),
        ({"queries": [{"history": [], "filters": {"x": 1}}]}, 'queries[0]: There is no field "x"'),
        ({"queries": [], "x": 1}, 'Unknown field "x": the fields are queries.'),
    ],
)
def test_a_wrong_batch_is_one_sentence(client: TestClient, body: object, words: str) -> None:
    answer = client.post("/recommend/batch", json=body)
    assert answer.status_code == 422 and answer.json()["detail"].startswith(words)


def test_similar_items_are_near_by_cosine(client: TestClient) -> None:
    """The embeddings of the fake network are the identity: every other item is as far away as can be."""
    found = client.get("/similar/9", params={"k": 3}).json()
    assert found["item"] == {"item_id": "9", "title": "Game 9"}
    assert [(item["item_id"], item["score"]) for item in found["items"]] == [
        ("1", 0.0),
        ("2", 0.0),
        ("3", 0.0),
    ]
    unknown = client.get("/similar/unknown")
    assert unknown.status_code == 404 and "GET /items finds items" in unknown.json()["detail"]
    wrong = client.get("/similar/9", params={"k": 0})
    assert wrong.status_code == 422
    assert wrong.json()["detail"] == "The parameter k must be a whole number from 1 to 100."


def titles(client: TestClient, query: str, limit: int = 3) -> list[str]:
    answer = client.get("/items", params={"query": query, "limit": limit})
    assert answer.status_code == 200, answer.text
    return [item["title"] for item in answer.json()["items"]]


def test_items_are_found_by_words_accents_and_typos(client: TestClient) -> None:
    assert titles(client, "PORTAL") == ["Pörtål Stories: Mel", "Portal 2", "Portal™"]  # most played first
    assert titles(client, "mel port", 1) == ["Pörtål Stories: Mel"]
    assert titles(client, "protal 2", 1) == ["Portal 2"]
    assert titles(client, "por")[0] == "Pörtål Stories: Mel"
    assert titles(client, "ortal", 1) != []
    assert titles(client, "") == titles(client, "™") == []
    assert titles(client, "zzzzqqq") == []
    assert titles(client, "game 14", 1) == ["Game 149"]
    for params in ({"query": "x" * 201}, {"query": "x", "limit": 0}, {"query": "x", "limit": "y"}, {}):
        answer = client.get("/items", params=params)
        assert answer.status_code == 422 and re.fullmatch(r"The parameter \w+ .+\.", answer.json()["detail"])
