"""A share of answers gives its last place to a new item, and the chance of that is known of each."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from serving.app import create_app
from serving.exploring import Exploration
from serving.settings import Settings
from serving.state.events_sqlite import SqliteEventStore

BEST, NEW = np.array([9, 4, 2]), np.array([5, 7, 8, 11])


def test_every_new_item_is_as_likely_and_told_with_its_chance() -> None:
    """Of 8,000 fixed names: bounds are at five standard deviations, and the draws never change."""
    share, n = 0.3, 8_000
    drawn = [Exploration(share, f"answer {i}").drawn(BEST, NEW) for i in range(n)]
    assert all(best[:2].tolist() == [9, 4] for best, _ in drawn)
    last = Counter(int(best[-1]) for best, _ in drawn)
    assert set(last) == {2, *NEW.tolist()}
    for item, chance in ((2, 1 - share), *((item, share / 4) for item in NEW.tolist())):
        assert abs(last[item] - n * chance) < 5 * np.sqrt(n * chance * (1 - chance))
        assert [told for best, told in drawn if best[-1] == item] == [pytest.approx(chance)] * last[item]
    weighed = [1 / told for best, told in drawn if best[-1] == 7]  # as who learns from the log would
    assert sum(weighed) / n == pytest.approx(1, abs=5 * np.sqrt(4 / share / n))


@given(st.text(), st.floats(0, 1), st.lists(st.integers(1, 9), max_size=3), st.lists(st.integers(10, 19)))
def test_the_same_answer_draws_the_same(name: str, share: float, best: list[int], new: list[int]) -> None:
    first, again = (Exploration(share, name).drawn(np.array(best), np.array(new)) for _ in range(2))
    assert first[0].tolist() == again[0].tolist() and first[1] == again[1] > 0
    assert first[0].tolist()[:-1] == best[:-1] and len(first[0]) == len(best)
    if not (best and new):
        assert first == (pytest.approx(best), 1.0)


@pytest.fixture
def client(tmp_path: Path, bundles: dict[str, Path], write_pointer: Any) -> Iterator[TestClient]:
    write_pointer(tmp_path / "champion.json", bundles["a"], "a1")
    settings = Settings(
        pointer=tmp_path / "champion.json", poll_seconds=0.01, demo=False,
        events=tmp_path / "events.db", explore=0.5,
    )  # fmt: skip
    with TestClient(create_app(settings)) as client:
        yield client


def test_the_endpoint_explores_what_is_listed_and_logs_the_chance(
    client: TestClient, tmp_path: Path, wait_until: Any
) -> None:
    def answers(**body: Any) -> list[list[str]]:
        queries = [{"history": [str(1 + i)], "k": 4} | body for i in range(60)]
        given = client.post("/recommend/batch", json={"queries": queries}, headers={"X-Request-ID": "r"})
        assert given.status_code == 200
        return [[item["item_id"] for item in answer["items"]] for answer in given.json()["answers"]]

    plain = answers()
    listed = [{"item_id": f"new {i}", "title": "Unlike"} for i in range(3)]
    assert client.post("/items", json={"items": listed}).status_code == 200
    wait_until(lambda: client.get("/items/new 2").status_code == 200)
    explored = answers()
    assert answers() == explored, "the same requests are answered alike"
    assert [items[:3] for items in explored] == [items[:3] for items in plain]
    changed = [items[3] for items, before in zip(explored, plain, strict=True) if items[3] != before[3]]
    assert 15 <= len(changed) <= 45 and set(changed) == {"new 0", "new 1", "new 2"}
    without = answers(exclude=["new 0", "new 1"])
    assert {items[3] for items in without if items[3].startswith("new")} == {"new 2"}

    store = SqliteEventStore(tmp_path / "events.db")
    wait_until(lambda: len(list(store.impressions())) == 4 * 60)
    shown = list(store.impressions())
    assert {one.propensity for one in shown if one.rank < 4} == {None}
    for one in shown:
        if one.rank == 4 and one.item_id.startswith("new"):
            assert one.propensity in (pytest.approx(0.5 / 3), pytest.approx(0.5))
