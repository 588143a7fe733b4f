"""POST /items: a listed game is in answers at once, durable, found, filtered, and removed again."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.bundle.attributes import Attribute
from models.bundle.bundle import EVERYTHING, ItemTable, read_golden, read_items, read_manifest, write_bundle
from serving.app import create_app
from serving.listing import Listing
from serving.recommender import Recommender
from serving.reload import Follower
from serving.settings import Settings
from serving.state.events import EventStoreError, Listed, ListedItem
from serving.state.events_sqlite import SqliteEventStore
from serving.with_listed import NEAREST, PLACE, Content, WithListed
from tests.support.servers import deployment

N_ITEMS = 150


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, make_bundle: Any, make_table: Any) -> Path:
    """Thirty genres of five games each; nobody has played the last one."""
    folder = make_bundle(tmp_path_factory.mktemp("listing") / "bundle", make_table(1))
    items = read_items(folder)
    genres = [None, *([f"Genre {(i - 1) // 5}"] for i in range(1, N_ITEMS + 1))]
    attributes = {
        "genres": Attribute("text", genres),
        "price": Attribute("number", [None, *(float(i) for i in range(1, N_ITEMS + 1))]),
        "release_date": Attribute("date", [None, *["2015-06-15"] * N_ITEMS]),
        "early_access": Attribute("flag", [None, *[False] * N_ITEMS]),
    }
    counts = items.counts.copy()
    counts[N_ITEMS] = 0
    described = ItemTable(items.ids, items.titles, counts, attributes)
    write_bundle(folder, read_manifest(folder), described, read_golden(folder))
    return folder


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender(bundle)


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return SqliteEventStore(tmp_path / "events.db")


@pytest.fixture
def settings(tmp_path: Path, bundle: Path, store: SqliteEventStore, write_pointer: Any) -> Settings:
    write_pointer(tmp_path / "champion.json", bundle, "a1")
    return Settings(pointer=tmp_path / "champion.json", poll_seconds=0.01, events=store.file, demo=False)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client


def item(item_id: object = "new", genre: str = "Genre 3", **attributes: Any) -> dict[str, Any]:
    named = {"genres": [genre], "studio": "Us"} | attributes
    return {"item_id": item_id, "title": "Stellar Drift", "attributes": named}


def listed(item_id: str, title: str = "", **attributes: Any) -> ListedItem:
    return ListedItem(item_id, title, json.dumps(attributes, sort_keys=True))


def send(client: TestClient, *items: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/items", json={"items": items})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(client: TestClient, **body: Any) -> list[str]:
    answer = client.post("/recommend", json={"history": ["3", "7"], "k": 100} | body)
    assert answer.status_code == 200, answer.text
    return [one["item_id"] for one in answer.json()["items"]]


def test_a_listed_game_is_in_answers_and_gone_again(client: TestClient, wait_until: Any) -> None:
    answer = send(client, item(), item(7))
    assert (answer["listed"], answer["replaced"], answer["played"]) == (2, 0, ["7"])
    wait_until(lambda: client.get("/items/new").status_code == 200)
    known = client.get("/items/new").json()
    assert known["title"] == "Stellar Drift" and known["plays"] == 0
    assert known["attributes"] == {"genres": ["Genre 3"], "studio": ["Us"]}
    assert ids(client, filters={"studio": "us"}) == ["new"]
    assert "new" in ids(client, filters={"genres": "Genre 3"})
    assert client.get("/items", params={"query": "stellar"}).json()["items"] == [
        {"item_id": "new", "title": "Stellar Drift"}
    ]
    alike = client.get("/similar/new", params={"k": 100}).json()["items"]
    assert len(alike) == 100 and alike[0]["item_id"] in {"16", "17", "18", "19", "20"}
    assert "studio" in client.get("/model").json()["filters"]
    assert (
        client.post(
            "/events", json={"events": [{"event_id": "e", "user_id": "ada", "item_id": "new"}]}
        ).json()["unknown_items"]
        == []
    )
    assert "new" not in ids(client, exclude=["new"])
    assert send(client, item(genre="Genre 5"))["replaced"] == 1
    wait_until(lambda: client.get("/items/new").json()["attributes"]["genres"] == ["Genre 5"])

    assert client.delete("/items/new").json()["item_id"] == "new"
    wait_until(lambda: client.get("/items/new").status_code == 404)
    assert "new" not in ids(client)
    assert client.delete("/items", params={"item_id": "new"}).status_code == 404
    assert client.delete("/items/a%00b").status_code == 404


def test_a_game_in_the_vocabulary_without_plays_is_answered_for_by_its_listing(
    client: TestClient, wait_until: Any
) -> None:
    """As after the night that took it over."""
    send(client, item("150", "Genre 3"))
    wait_until(lambda: client.get("/items/150").json()["title"] == "Stellar Drift")
    known = client.get("/items/150").json()["attributes"]
    assert known["genres"] == ["Genre 3"] and known["price"] == 150  # what is not said stays
    assert "150" in ids(client, filters={"genres": "Genre 3"})
    assert "150" not in ids(client, filters={"genres": "Genre 29"})


def test_what_is_listed_is_there_after_a_start_and_with_the_next_model(
    settings: Settings, store: SqliteEventStore, bundle: Path, write_pointer: Any, wait_until: Any
) -> None:
    store.list_items([ListedItem("new", "Stellar Drift", '{"genres": ["Genre 3"]}')])
    with TestClient(create_app(settings)) as client:
        assert "new" in ids(client)  # from the first answer on
        write_pointer(settings.pointer, bundle, "a2")
        wait_until(lambda: client.get("/model").json()["version"] == "a2")
        assert "new" in ids(client)


def test_a_store_that_cannot_be_read_or_written_changes_nothing_and_says_so(
    client: TestClient, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(client, item())
    wait_until(lambda: client.get("/items/new").status_code == 200)

    def fail(*_: object) -> None:
        raise EventStoreError("The disk is full.")

    for name in ("listing_state", "list_items", "unlist"):
        monkeypatch.setattr(SqliteEventStore, name, fail)
    wait_until(lambda: "nextplay_listing_failing 1.0" in client.get("/metrics").text)
    assert "new" in ids(client)
    for answer in (client.post("/items", json={"items": [item()]}), client.delete("/items/new")):
        assert answer.status_code == 503 and "now: send" in answer.json()["detail"]
    monkeypatch.undo()
    wait_until(lambda: "nextplay_listing_failing 0.0" in client.get("/metrics").text)


def test_without_a_store_nothing_can_be_listed(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"events": None}))) as client:
        for answer in (client.post("/items", json={"items": [item()]}), client.delete("/items/new")):
            assert answer.status_code == 404 and "NEXTPLAY_EVENTS" in answer.json()["detail"]
        assert client.get("/items/3").json()["plays"] == 3


def body(**changes: Any) -> str:
    return json.dumps({"items": [item() | changes]})


BAD: list[tuple[str, int, str]] = [
    ("{", 400, "The body is not valid JSON: "),
    ("[]", 422, "The body must be a JSON object."),
    ("{}", 422, "items must be a list of 1 to 100 items."),
    ('{"items": []}', 422, "items must be a list of 1 to 100 items."),
    (json.dumps({"items": [item(i) for i in range(101)]}), 422, "items must be a list of 1 to 100 items."),
    ('{"items": [7]}', 422, "items[0] must be a JSON object."),
    ('{"items": [], "more": 1}', 422, "items must be a list"),
    (body(price=1), 422, 'Unknown field "price" in items[0]: there is only item_id, title, attributes.'),
    (body(item_id=""), 422, "items[0].item_id must be text of 1 to 200 characters or a whole number."),
    (body(item_id=1.5), 422, "items[0].item_id must be text of 1"),
    (body(item_id="a\0"), 422, "items[0].item_id must not hold a NUL character."),
    (body(title=" "), 422, "items[0].title must be text of 1 to 500 characters."),
    (body(title=7), 422, "items[0].title must be text"),
    (body(title="x" * 501), 422, "items[0].title must be text"),
    (body(title="a\0"), 422, "items[0].title must not hold a NUL character."),
    ('{"items": [{"item_id": 1}]}', 422, "items[0].title must be text"),
    (body(attributes=[]), 422, "items[0].attributes must be an object of at most 50 attributes."),
    (body(attributes={str(i): 1 for i in range(51)}), 422, "must be an object of at most 50"),
    (body(attributes={"": 1}), 422, "The name of an attribute in items[0] must be text of 1 to 200"),
    (body(attributes={"a": 1, " a": 2}), 422, "and stand there once."),
    (body(attributes={"x" * 201: 1}), 422, "The name of an attribute in items[0]"),
    (body(attributes={"a": None}), 422, "attributes.a must be text of 1 to 1,000 characters, a list"),
    (body(attributes={"a": {}}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": []}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": [1]}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": ["x"] * 101}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": "x" * 1001}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": "b\0"}), 422, "items[0].attributes.a must be"),
    (body(attributes={"a": 10**400}), 422, "items[0].attributes.a must be"),
    (body(attributes={"price": "cheap"}), 422, "items[0].attributes.price must be a number, as"),
    (body(attributes={"release_date": "soon"}), 422, "release_date must be a date such as 2018-01-04"),
    (body(attributes={"early_access": "no"}), 422, "early_access must be true or false, as in the"),
    (body(attributes={"genres": 7}), 422, "genres must be a text or a list of texts, as"),
    (body(attributes={"genres": " | "}), 422, "genres must be a text or a list of texts, as"),
    (json.dumps({"items": [item(7), item("7")]}), 422, "items[1].item_id stands there twice: 7."),
]  # fmt: skip


def test_a_bad_body_gets_one_sentence_and_nothing_is_listed(
    client: TestClient, store: SqliteEventStore
) -> None:
    for content, status, sentence in BAD:
        answer = client.post("/items", content=content)
        assert answer.status_code == status and sentence in answer.json()["detail"], content[:200]
    assert store.listed_items() == []


def test_more_attributes_than_the_most_are_refused_in_one_sentence(client: TestClient) -> None:
    """A request of 100 kB could else give each of 100 items 50 of its own."""
    many = [item(n, **{f"{n}-{name}": 1 for name in range(40)}) for n in range(4)]
    answer = client.post("/items", json={"items": many})
    assert answer.status_code == 409
    told = "What is listed can have 100 attributes in all: remove some items by DELETE /items/ITEM_ID."
    assert answer.json()["detail"] == told
    assert send(client, many[0])["listed"] == 1


# -- scores ------------------------------------------------------------------------------------------------


def with_listed(model: Recommender, *items: ListedItem) -> WithListed:
    return WithListed(model, Content(model.items), items)


def test_it_scores_as_the_second_best_of_the_five_most_like_it(recommender: Recommender) -> None:
    """Its genre has five games, so they are those. All else is as before."""
    before = recommender.recommend(["3", "7"], N_ITEMS)
    after = with_listed(recommender, listed("new", genres=["Genre 3"])).recommend(["3", "7"], N_ITEMS + 1)
    scores = {one.item_id: one.score for one in before.items}
    near = sorted((scores[str(i)] for i in range(16, 21)), reverse=True)
    assert (len(near), near[PLACE - 1]) == (NEAREST, {i.item_id: i.score for i in after.items}["new"])
    others = [one for one in after.items if one.item_id != "new"]
    assert [(one.item_id, one.score) for one in others] == [(i.item_id, i.score) for i in before.items]
    place = [one.item_id for one in after.items].index("new")
    assert after.items[place - 1].score == near[PLACE - 1]  # right behind the one that it follows


def test_in_a_history_it_counts_as_the_one_most_like_it(recommender: Recommender) -> None:
    model = with_listed(recommender, listed("new", title="Game 17", genres=["Genre 3"]), listed("odd", a="b"))
    (plain,) = recommender.recommend(["17"], 1, exclude_seen=False).items
    answer = model.recommend(["new"], 1, exclude_seen=False, explain=True)
    (found,) = answer.items
    assert (found.item_id, found.score, found.because) == (plain.item_id, plain.score, ("new", "Game 17"))
    assert not answer.fallback and not answer.unknown_ids
    assert model.recommend(["odd"], 1).fallback
    assert model.similar("new", 1)[0].item_id == "17"


def test_of_what_is_like_nothing_the_score_is_in_the_middle(recommender: Recommender) -> None:
    model = with_listed(recommender, listed("odd", title="Zzz"))
    scores = {one.item_id: one.score for one in model.recommend(["3"], N_ITEMS + 1, exclude_seen=False).items}
    plain = [score for item_id, score in scores.items() if item_id not in ("odd", "150")]
    assert scores["odd"] == pytest.approx(np.median(plain), rel=1e-6)
    assert len(model.similar("odd", 5)) == 5


def test_nothing_that_is_played_changes_by_a_listing(recommender: Recommender) -> None:
    model = with_listed(recommender, listed("3", title="Other", genres=["Genre 9"]))
    assert model.title("3") == "Game 3" and model.items.n_items == N_ITEMS
    assert model.recommend(["7"], 9) == recommender.recommend(["7"], 9)
    assert [i.item_id for i in model.recommend([], 9).items] == [
        i.item_id for i in recommender.recommend([], 9).items
    ]


def test_values_of_another_kind_are_left_out(recommender: Recommender) -> None:
    """Two workers may know different models when they take them."""
    model = with_listed(recommender, listed("a", genres=["x"], price="y", own=1), listed("b", own="text"))
    of = {name: model.items.attributes[name].values[model.index["a"]] for name in ("genres", "price", "own")}
    assert of == {"genres": ["x"], "price": None, "own": 1}
    assert model.items.attributes["own"].values[model.index["b"]] is None


def test_what_is_listed_no_more_is_no_answer_of_a_model_of_all_plays(bundle: Path, tmp_path: Path) -> None:
    """The vocabulary keeps its index. Here that is 150; a model of the training part may know it."""
    assert "150" in {one.item_id for one in Recommender(bundle).recommend(["3"], N_ITEMS).items}
    folder = tmp_path / "refit"
    shutil.copytree(bundle, folder)
    manifest = replace(read_manifest(bundle), trained_on=EVERYTHING)
    write_bundle(folder, manifest, read_items(bundle), [])
    model = Recommender(folder)
    assert "150" not in {one.item_id for one in model.recommend(["3"], N_ITEMS).items}
    assert "150" not in {one.item_id for one in model.similar("3", N_ITEMS)}
    relisted = with_listed(model, listed("150", genres=["Genre 3"]))
    assert "150" in {one.item_id for one in relisted.recommend(["3"], N_ITEMS).items}


# -- the store ---------------------------------------------------------------------------------------------


def test_a_store_of_before_gets_what_it_lacks(store: SqliteEventStore) -> None:
    list(store._connection().rows("DROP TABLE listed_items"))
    assert SqliteEventStore(store.file).list_items([ListedItem("a", "A", "{}")]) == Listed(1, 0)


class Following:
    """The ids that a model in service was told of last."""

    told: Sequence[str] = ()

    def list_items(self, listed: Sequence[ListedItem]) -> None:
        self.told = [item.item_id for item in listed]


def test_an_older_store_is_followed_however_many_changes_come_after_it(store: SqliteEventStore) -> None:
    """Restored and listed into between two looks: as many changes as before, and other ones."""
    following = Following()
    with ThreadPoolExecutor(1) as threads:
        listing = Listing(store, cast(Follower, following), 1.0, threads)
        store.list_items([listed("kept")])
        backup = store.file.with_name("backup.db")
        with closing(sqlite3.connect(store.file)) as source, closing(sqlite3.connect(backup)) as copy:
            source.backup(copy)
        store.list_items([listed("lost")])
        listing.look()
        assert following.told == ["kept", "lost"]
        for log in (f"{store.file}-wal", f"{store.file}-shm"):
            Path(log).unlink()
        backup.replace(store.file)
        SqliteEventStore(store.file).list_items([listed("since")])
        listing.look()
        assert following.told == ["kept", "since"]


@pytest.mark.slow
def test_every_worker_answers_with_it_also_after_kill_9(
    tmp_path: Path, bundle: Path, write_pointer: Callable[..., None], wait_until: Any
) -> None:
    write_pointer(tmp_path / "champion.json", bundle, "a1")
    server = deployment(
        tmp_path, NEXTPLAY_POINTER=str(tmp_path / "champion.json"), NEXTPLAY_WORKERS="2",
        NEXTPLAY_EVENTS=str(tmp_path / "events.db"),
    )  # fmt: skip

    def all_answer(filters: dict[str, Any], expected: list[str]) -> bool:
        """On twenty connections, which the workers share."""
        asked = {"history": ["3"], "k": 5, "filters": filters}
        answers = (httpx.post(f"{server.url}/recommend", json=asked, timeout=10) for _ in range(20))
        return all([i["item_id"] for i in a.json().get("items", [])] == expected for a in answers)

    with server:
        assert server.client.post("/items", json={"items": [item()]}).status_code == 200
        wait_until(lambda: all_answer({"studio": "Us"}, ["new"]))
        assert server.client.post("/items", json={"items": [item("newer", studio="You")]}).status_code == 200
        server.kill()
        server.start()
        assert all_answer({"studio": ["Us", "You"]}, ["new", "newer"])
        assert server.client.delete("/items/newer").status_code == 200
        wait_until(lambda: all_answer({"studio": ["Us", "You"]}, ["new"]))
