"""A champion that counts, behind the endpoint: it moves between two nights, and knows what day it is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.baselines import Baseline, Content, Facts, RecentPopularity
from models.baselines.bundles import baseline_bundle
from models.bundle.attributes import DATE, TEXT, Attribute
from models.bundle.bundle import ItemTable
from models.data import Sequences
from models.scorer import MovingScorer
from models.writing import Origin
from serving.app import create_app
from serving.settings import Settings
from serving.state.events import now_ms
from tests.serving.conftest import publish_pointer

DAY_MS = 86_400_000
TODAY = now_ms() // DAY_MS * DAY_MS
DATES = [str(np.datetime64(TODAY + days * DAY_MS, "ms"))[:10] for days in (-900, -800, -700, -1, 30)]
TRAIN = Sequences.from_lists([[1, 2], [2, 1], [1, 3]], 5)  # nobody has played 4, out since yesterday, and 5
ITEMS = ItemTable(
    ["", *"abcde"],
    ["", *"ABCDE"],
    TRAIN.counts(),
    {"genres": Attribute(TEXT, [None, *[["Puzzle"]] * 5]), "release_date": Attribute(DATE, [None, *DATES])},
)
TIMES = TODAY + (np.arange(6) - 9) * DAY_MS
FACTS = Facts(ITEMS.ids, TIMES, exclude_seen=False, items=ITEMS, units_a_second=1000)


def fitted(kind: type[Baseline]) -> Baseline:
    made = kind.fit(TRAIN, None, FACTS)
    return replace(made, rate=10.0) if isinstance(made, Content) else made


@pytest.mark.parametrize("kind", [RecentPopularity, Content])
def test_a_champion_that_counts_follows_the_events(
    kind: type[Baseline], tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    model = fitted(kind)
    origin = Origin("data-1", "code-1", "table", "temporal (0.8,0.9)", exclude_seen=False)
    baseline_bundle(tmp_path / "bundle", model, ITEMS, origin, {})
    publish_pointer(tmp_path / "champion.json", tmp_path / "bundle", "v1")
    settings = Settings(
        pointer=tmp_path / "champion.json", poll_seconds=0.01, demo=False,
        events=str(tmp_path / "events.db"), trend_seconds=0.05,
    )  # fmt: skip
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        newest = int(FACTS.times[-1])  # type: ignore[index]
        assert client.get("/model").json()["trend_until"][:10] == str(np.datetime64(newest, "ms"))[:10]
        before = scores(client)
        if kind is Content:
            assert max(before, key=before.__getitem__) == "d" and "e" not in before
        assert client.post("/events", json={"events": plays("c", newest + DAY_MS, 40)}).status_code == 200
        until = str(np.datetime64(newest + DAY_MS, "ms"))[:10]
        wait_until(lambda: client.get("/model").json()["trend_until"][:10] == until)
        after = scores(client)
        assert isinstance(model, MovingScorer)
        moved = model.moved(np.full(40, 3), np.full(40, newest + DAY_MS))
        assert after["c"] == max(after[item] for item in "abc") > before["c"]
        if kind is RecentPopularity:
            assert after["c"] == pytest.approx(float(moved.score([np.array([1])])[0, 3]), rel=1e-5)
        told = client.post("/recommend", json={"history": ["a"], "k": 3, "explain": True}).json()["items"]
        assert len(told) == 3


def plays(item: str, at: int, users: int) -> list[dict[str, object]]:
    return [{"event_id": f"e{i}", "user_id": f"u{i}", "item_id": item, "played_at": at} for i in range(users)]


def scores(client: TestClient) -> dict[str, float]:
    found = client.post("/recommend", json={"history": ["a"], "k": 5}).json()["items"]
    return {item["item_id"]: item["score"] for item in found}
