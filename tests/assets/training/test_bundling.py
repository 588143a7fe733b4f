"""Which tables a bundle was made from: by what is in them, and by what older manifests say."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.sequences.loading import TABLES
from assets.state.lake import Lake, fingerprint
from assets.training import bundling
from assets.training.bundling import (
    TrainingData,
    data_fingerprint,
    input_tables,
    train_network,
    write_candidate,
)
from models.baselines.base import NO_FACTS
from models.bundle.attributes import TEXT, Attribute
from models.bundle.bundle import ItemTable, Manifest
from models.config import ConfigError, TrainConfig
from models.data import Sequences, Split, leave_one_out
from models.training import train as training

FIRST, SECOND = "a" * 64, "b" * 64


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two versions of the tables, each of its own content; the second one is current."""
    lake = Lake(tmp_path / "lake")
    for number, made_from in enumerate((FIRST, SECOND)):

        def write(paths: Mapping[str, Path], number: int = number) -> None:
            for path in paths.values():
                pq.write_table(pa.table({"n": [number]}), path)

        lake.publish_many(made_from, TABLES, write)
    return lake


def manifest(data: str) -> Manifest:
    return Manifest("sasrec", 1, 1, "", data, "", "sample", "leave-one-out")


def test_a_bundle_is_traced_to_its_tables(lake: Lake) -> None:
    assert input_tables(lake, manifest(data_fingerprint(lake))) == dict.fromkeys(TABLES, SECOND)
    assert input_tables(lake, manifest("c" * 64)) == {}


@pytest.mark.parametrize("made_from", [FIRST, SECOND])
def test_an_older_bundle_is_traced_to_its_tables_too(lake: Lake, made_from: str) -> None:
    older = fingerprint(made_from, made_from)  # of the tables' fingerprints, not of their content
    assert input_tables(lake, manifest(older)) == dict.fromkeys(TABLES, made_from)


@pytest.mark.parametrize(("content", "width"), [(0.0, None), (1.0, 2)])
def test_a_network_gets_the_content_of_its_items_where_it_asks_for_it(
    content: float, width: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Split] = []
    monkeypatch.setattr(training, "train", lambda name, split, config, **_: asked.append(split))
    kinds = Attribute(TEXT, [None, ["a"], ["b"], ["a"], ["b"]])
    items = ItemTable(["", *"pqrs"], ["", *"pqrs"], np.ones(5, dtype=np.int64), {"kind": kinds})
    split = leave_one_out(Sequences.from_lists([[1, 2, 3, 4]], 4))
    data = TrainingData(split, items, NO_FACTS, "data", "toy")
    train_network("sasrec", data, TrainConfig(content=content))
    found = asked[0].content
    assert (None if found is None else found.shape) == (None if width is None else (5, width))


def test_no_bundle_is_written_of_a_network_that_asks_for_what_the_endpoint_does_not_know(
    tmp_path: Path,
) -> None:
    split = leave_one_out(Sequences.from_lists([[1, 2, 3, 4]], 4))
    items = ItemTable(["", *"pqrs"], ["", *"pqrs"], np.ones(5, dtype=np.int64))
    data = TrainingData(split, items, NO_FACTS, "data", "toy")
    asked = TrainConfig().with_changes(time_buckets=32)
    with pytest.raises(ConfigError, match="time_buckets=32 makes a network that cannot be served"):
        write_candidate(tmp_path, "hstu", data, asked)
    assert not list(tmp_path.iterdir())


def test_semantic_ids_are_a_part_of_what_a_bundle_is_made_from(lake: Lake) -> None:
    """Where there are any; a bundle from before they were made is traced without them."""
    before = data_fingerprint(lake)
    for made_from in (FIRST, SECOND):
        rows = pa.table({"item_id": ["a"], "codes": [[len(made_from), ord(made_from[0])]]})
        lake.publish("semantic_ids", made_from, lambda path, rows=rows: pq.write_table(rows, path))
        after = data_fingerprint(lake)
        assert after != before
        found = input_tables(lake, manifest(after))
        assert found == dict.fromkeys(TABLES, SECOND) | {"semantic_ids": made_from}
    assert input_tables(lake, manifest(before)) == dict.fromkeys(TABLES, SECOND)


@pytest.mark.parametrize(("config", "epochs"), [({"exact_epochs": 3}, 3), ({"exact_epochs": 0}, 2), ({}, 2)])
def test_a_refit_has_the_epochs_of_what_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, int], epochs: int
) -> None:
    """Those that are named exactly, of which the last one was kept, else the best ones."""
    curve = [{"epoch": n, "ndcg": ndcg} for n, ndcg in enumerate((0.2, 0.3, 0.1), start=1)]
    (tmp_path / bundling.CURVE_FILE).write_text(json.dumps(curve))
    monkeypatch.setattr(bundling, "read_manifest", lambda _: SimpleNamespace(started_from="", config=config))
    assert bundling.full_epochs(tmp_path) == epochs
