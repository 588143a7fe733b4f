"""An id that one route takes, every route takes: with slashes, blanks, newlines, dots, any letters."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.bundle.bundle import ItemTable, read_golden, read_items, read_manifest, write_bundle
from models.bundle.ids import MAX_ID, trimmed
from serving.app import create_app
from serving.settings import Settings

ODD = [
    *("/products/red-shoe", "a/b/c", "shop//double", "trailing/", "/", "//", "../..", "a/../b", ".", ".."),
    *("two\nlines", "two\r\nlines", "a\tb", "a b", "100%", "%2F", "a%41", "a?b", "a#b", "a&k=3", "a;b"),
    *("a+b", '"quoted"', "<script>", "Zażółć", "e\u0301", "🎮", "日本語", "a\u2028b", "\x01", "x" * MAX_ID),
]
LETTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
TEXT = st.text(LETTERS, max_size=MAX_ID).filter(lambda text: text and text == text.strip() == trimmed(text))


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory,
    make_bundle: Callable[..., Path],
    make_table: Callable[[int], NDArray[np.float32]],
    write_pointer: Callable[..., None],
    wait_until: Callable[..., None],
) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("ids")
    bundle = make_bundle(folder / "bundle", make_table(1))
    items = read_items(bundle)
    items = ItemTable(["", *ODD, *items.ids[len(ODD) + 1 :]], items.titles, items.counts)
    manifest = replace(read_manifest(bundle), vocabulary_hash=items.vocabulary_hash())
    write_bundle(bundle, manifest, items, read_golden(bundle))
    write_pointer(folder / "champion.json", bundle, "a1")
    settings = Settings(pointer=folder / "champion.json", poll_seconds=0.01, events=folder / "events.db")
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def goes_through_a_path(given: str) -> bool:
    """Whether this client sends it as it is: it takes steps as `..` itself, and decodes a path twice."""
    return not set(given.split("/")) & {".", ".."} and unquote(given) == given


@pytest.mark.parametrize("item_id", ODD)
def test_every_route_takes_an_item_that_recommend_takes(client: TestClient, item_id: str) -> None:
    recommended = client.post("/recommend", json={"history": [item_id], "k": 3}).json()
    assert recommended["unknown_ids"] == [] and len(recommended["items"]) == 3
    by_parameter = client.get("/similar", params={"item_id": item_id, "k": 2})
    assert by_parameter.status_code == 200 and by_parameter.json()["item"]["item_id"] == item_id
    if not goes_through_a_path(item_id):
        return
    by_path = client.get(f"/similar/{quote(item_id, safe='')}", params={"k": 2}).json()
    assert by_path["item"] == by_parameter.json()["item"]
    assert by_path["items"] == by_parameter.json()["items"]


@given(item_id=TEXT)
def test_an_unknown_id_is_said_to_be_unknown_on_every_route(client: TestClient, item_id: str) -> None:
    unknown = f"?{item_id}"[:MAX_ID]
    assert client.post("/recommend", json={"history": [unknown]}).json()["unknown_ids"] == [unknown]
    answers = [client.get("/similar", params={"item_id": unknown})]
    if goes_through_a_path(unknown):
        answers.append(client.get(f"/similar/{quote(unknown, safe='')}"))
    for answer in answers:
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"The model knows no item {unknown}: GET /items finds items."


@given(user_id=TEXT)
def test_a_user_of_any_name_is_stored_and_forgotten(client: TestClient, user_id: str) -> None:
    event = {"event_id": f"e {user_id}"[:MAX_ID], "user_id": user_id, "item_id": "a/b/c"}
    assert client.post("/events", json={"events": [event]}).status_code == 200
    answer = client.delete("/users", params={"user_id": user_id})
    assert answer.status_code == 200 and answer.json()["user_id"] == user_id
    if goes_through_a_path(user_id):
        again = client.delete(f"/users/{quote(user_id, safe='')}")
        assert again.status_code == 200 and again.json()["user_id"] == user_id


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "\r\n", "\u00a0", "\u200b", "\ufeff", "\x1f"])
def test_blanks_around_an_id_are_no_part_of_it_and_alone_are_none(client: TestClient, blank: str) -> None:
    around, user = f"{blank}a/b/c{blank}", f"eve {ord(blank[0])}"
    assert client.post("/recommend", json={"history": [around]}).json()["unknown_ids"] == []
    event = {"event_id": f"around {blank!r}", "user_id": f"{blank}{user}", "item_id": around}
    assert client.post("/events", json={"events": [event]}).json()["unknown_items"] == []
    for answer in (
        client.get("/similar", params={"item_id": around}),
        client.get(f"/similar/{quote(around, safe='')}"),
    ):
        assert answer.json()["item"]["item_id"] == "a/b/c"
    assert client.delete("/users", params={"user_id": user}).json()["events"] == 1
    for answer in (
        client.post("/recommend", json={"history": [blank]}),
        client.post("/recommend", json={"user_id": blank}),
        client.post("/events", json={"events": [event | {"user_id": blank}]}),
        client.delete("/users", params={"user_id": blank}),
    ):
        assert answer.status_code == 422 and "of 1 to 200 characters" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "place"),
    [({"history": ["1", "a\0"]}, "history[1]"), ({"history": [], "exclude": ["\0"]}, "exclude[0]")],
)
def test_an_item_id_with_nul_is_refused_as_it_is_among_events(
    client: TestClient, body: dict[str, object], place: str
) -> None:
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"{place} must not hold a NUL character."


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/users?user_id=ada&user_id=bob"),
        ("DELETE", "/users/ada?user_id=bob"),
        ("DELETE", "/users/ada?user_id=ada"),
        ("DELETE", "/items?item_id=1&item_id=2"),
        ("GET", "/similar?item_id=1&item_id=2"),
        ("GET", "/similar/1?item_id=2"),
        ("GET", "/items?query=a&query=b"),
    ],
)
def test_an_id_that_is_given_twice_is_refused(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 422
    assert "is given twice: give it once." in answer.json()["detail"]


def test_a_request_without_an_id_is_told_which_parameter_is_missing(client: TestClient) -> None:
    for answer, name in ((client.get("/similar"), "item_id"), (client.delete("/users"), "user_id")):
        assert answer.status_code == 422
        assert answer.json()["detail"] == f"The parameter {name} is missing."
