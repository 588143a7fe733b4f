"""Stages behind the endpoint, where LightGBM is not installed: answers, likeness, reasons, and re-ranking."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.baselines import Transitions
from models.baselines.base import Facts
from models.baselines.bundles import baseline_bundle
from models.bundle.attributes import TEXT, Attribute
from models.bundle.bundle import ItemTable, bundle_hash
from models.data import Sequences
from models.opening import open_scorer
from models.scorer import OnnxScorer
from models.stages.bundles import staged_of, stages_bundle, stages_in
from models.stages.features import FEATURES
from models.stages.item_facts import ItemFacts
from models.stages.names import COUNTED, FIRST, MEMBERS_FOLDER, RETRIEVED, RULES, SHARE
from models.stages.reranking import Rules
from models.stages.scorer import Staged
from serving.app import create_app
from serving.settings import Settings
from tests.models.blend.test_blend import ORIGIN
from tests.serving.conftest import N_ITEMS, random_table, write_fake_bundle

POPULAR_FIRST = f"""tree
Tree=0
num_leaves=2
num_cat=0
split_feature={FEATURES.index("popularity")}
threshold=0.7
decision_type=2
left_child=-1
right_child=-2
leaf_value=0 3

end of trees
"""


def write_staged(folder: Path, rules: Rules = Rules()) -> Path:  # noqa: B008 - frozen
    """A fake network, counted transitions and one tree, which lifts what is popular."""
    first = write_fake_bundle(folder / MEMBERS_FOLDER / "sums", random_table(0))
    columns = json.loads((first / "items.json").read_text())
    kinds = Attribute(TEXT, [None, *([f"maker {i % 3}"] for i in range(N_ITEMS))])
    items = ItemTable(columns["ids"], columns["titles"], np.array(columns["counts"]), {"maker": kinds})
    rng = np.random.default_rng(6)
    train = Sequences.from_lists(rng.integers(1, N_ITEMS + 1, size=(60, 5)).tolist(), N_ITEMS)
    facts = Facts(items.ids, 1_600_000_000 + np.arange(len(train.items)), True, items, 1)
    counted = Transitions.fit(train, None, facts)
    baseline_bundle(folder / MEMBERS_FOLDER / "transitions", counted, items, ORIGIN, {})
    config = {FIRST: "sums", COUNTED: ["transitions"], RETRIEVED: 12, SHARE: 1.0, RULES: rules.to_dict()}
    known = ItemFacts.of(train, facts, np.zeros((N_ITEMS + 1, 0), np.float32))
    staged = staged_of(stages_in(folder, config, known, True), config, POPULAR_FIRST, items)
    stages_bundle(folder, "two_stage", config, staged, POPULAR_FIRST, items, ORIGIN, {"ndcg@10": 0.3})
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, write_pointer: Callable[..., None]) -> Path:
    folder = tmp_path_factory.mktemp("served")
    write_pointer(folder / "champion.json", write_staged(folder / "bundle"), "s1")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path, wait_until: Callable[..., None]) -> Iterator[TestClient]:
    settings = Settings(pointer=folder / "champion.json", poll_seconds=0.01, demo=False)
    with TestClient(create_app(settings)) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def test_it_answers_as_its_stages_say(client: TestClient, folder: Path) -> None:
    answer = client.post("/recommend", json={"history": ["3", "7"], "k": 30}).json()
    assert answer["model"] == {"version": "s1", "architecture": "two_stage"}
    first = open_scorer(folder / "bundle" / MEMBERS_FOLDER / "sums").score([np.array([3, 7])])[0]
    facts = ItemFacts.load(folder / "bundle")
    first[[0, 3, 7]] = -np.inf
    alone = np.argsort(-first)
    popular = np.log1p(N_ITEMS * facts.counts / facts.counts.sum()) > 0.7
    ranked = sorted(alone[:12], key=lambda i: -(first[i] + 3 * popular[i]))
    assert [int(item["item_id"]) for item in answer["items"]] == [*ranked, *alone[12:30]]


def test_likeness_and_reasons_are_those_of_its_first_stage(client: TestClient, folder: Path) -> None:
    network = open_scorer(folder / "bundle" / MEMBERS_FOLDER / "sums")
    assert isinstance(network, OnnxScorer)
    alike = network.similarities(5)
    given = client.get("/similar/5", params={"k": 3}).json()["items"]
    assert [item["score"] for item in given] == pytest.approx(np.sort(np.delete(alike, [0, 5]))[::-1][:3])
    asked = {"history": ["3", "7", "11"], "k": 3, "explain": True}
    told = client.post("/recommend", json=asked).json()["items"]
    reasons = {item["because"]["item_id"] for item in told if item["because"]}
    assert reasons and reasons <= {"3", "7", "11"}


def test_rules_hold_in_what_is_opened_and_bytes_are_the_same_again(folder: Path, tmp_path: Path) -> None:
    assert bundle_hash(write_staged(tmp_path / "again")) == bundle_hash(folder / "bundle")
    ruled = open_scorer(write_staged(tmp_path / "ruled", Rules(at_most={"maker": 1})))
    assert isinstance(ruled, Staged)
    for history in ([3, 7], [11], [1, 2, 4]):
        scores = ruled.score([np.array(history)])[0]
        best = [i for i in np.argsort(-scores) if i not in history][:3]
        assert len({(int(i) - 1) % 3 for i in best}) == 3, "one of each maker first"
