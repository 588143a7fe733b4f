"""The semantic ids of the items: made where a candidate knows items by them, and kept night by night."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field

from assets.contracts import checks_of
from assets.formats.table import Column, Table, text
from assets.resources import Home, Training
from assets.sequences.loading import load_items
from assets.shown.tables import columns_shown, table_result
from assets.state.by_content import publish_rows
from assets.state.code import made_by
from assets.state.lake import Lake
from models.bundle.bundle import ItemTable
from models.codes.codebooks import Kept, book_size
from models.codes.ids import collisions, fit, neighbours_kept, perplexities, semantic_ids
from models.codes.vocabulary import Id, as_array
from models.content.vectors import ContentSpace
from models.networks import NETWORKS

CODE = made_by(__name__)
SEMANTIC_IDS = Table(
    "semantic_ids",
    "Codes of each item by its content, coarse to fine, and a last one that tells apart items with the same.",
    (
        text("item_id", "of an item of the vocabulary, or of one that was there when the codebooks were"),
        Column("codes", pa.list_(pa.int32()), "from 0; those of no two items are the same"),
    ),
    optional=True,
)
CODEBOOKS = ("codes", "codebooks.npz")  # folder and file in the home


class Refit(dg.Config):
    """For the launchpad: whether the codebooks are fitted anew, by which every item may get other codes."""

    refit: bool = Field(default=False, description="fit the codebooks anew; every item may get other codes")


@dg.asset(
    name="semantic_ids",
    pool="lake",
    kinds={"numpy", "scipy"},
    code_version=CODE,
    deps=["items"],
    description=SEMANTIC_IDS.words,
    metadata=columns_shown(SEMANTIC_IDS),
)
def semantic_ids_asset(config: Refit, home: Home, training: Training) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    if not needs_codes(training):
        return _none("no candidate knows items by their codes; NEXTPLAY_CANDIDATES=sasrec,tiger has one")
    items, path = load_items(lake), home.folder(CODEBOOKS[0]) / CODEBOOKS[1]
    begun = path.with_name(f"begun-{path.name}")  # books, while their ids may not be published yet
    kept = None if config.refit or begun.exists() else _kept(path, training.semantic_ids)
    known = read_ids(lake) if kept else {}
    if kept is None:
        space = ContentSpace.fit(items)
        if space is None:
            return _none("the catalogue knows nothing that two items have in common: give one with titles")
        books = fit(space.vectors(items), training.semantic_ids, book_size(items.n_items), training.seed)
        kept = Kept(space, books)
        kept.write(begun)
    vectors = kept.space.vectors(items)
    ids = semantic_ids(items.ids[1:], kept.codebooks.assign(vectors)[1:], known)
    rows = SEMANTIC_IDS.rows([{"item_id": item, "codes": ids[item]} for item in sorted(ids)])
    version = publish_rows(lake, SEMANTIC_IDS.name, lambda path: pq.write_table(rows, path))
    if begun.exists():
        begun.replace(path)  # a kill before this has them fitted anew: no ids are those of other books
    with lake.connect(SEMANTIC_IDS.name) as connection:
        told = {"codebooks": "kept" if known else "fitted", "new items": len(ids) - len(known)}
        return table_result(connection, version, started, told | measures(items, vectors, ids))


def needs_codes(training: Training) -> bool:
    """Whether a candidate of the settings knows items by their codes."""
    own = (NETWORKS[name].settings.get("codes", False) for name in training.networks)
    return bool(training.changes.get("codes", any(own)))


def read_ids(lake: Lake) -> dict[str, Id]:
    """The published ids; none where there are none."""
    if not lake.has(SEMANTIC_IDS.name):
        return {}
    rows = pq.read_table(lake.current(SEMANTIC_IDS.name).path)
    return dict(zip(rows["item_id"].to_pylist(), map(tuple, rows["codes"].to_pylist()), strict=True))


def measures(items: ItemTable, vectors: NDArray[np.float32], ids: Mapping[str, Id]) -> dict[str, Any]:
    """What the ids are worth, for the UI."""
    codes = as_array(items.ids, ids)
    assert codes is not None
    share, largest = collisions(codes[1:])
    kept, chance = neighbours_kept(vectors[1:], codes[1:])
    return {
        "items that only the last code tells apart": f"{share:.1%}, {largest} alike at most",
        "codes in even use, by level": ", ".join(f"{one:.1f}" for one in perplexities(codes[1:])),
        "nearest items by content with the same first code": f"{kept:.1%}, of any two items {chance:.1%}",
    }


def _kept(path: Path, method: str) -> Kept | None:
    """The codebooks of earlier nights; None where there are none that are as the settings have them."""
    try:
        kept = Kept.read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        dg.get_dagster_logger().warning(
            "The codebooks in %s cannot be read (%s): they are fitted anew, and items get other codes.",
            path,
            error,
        )
        return None
    return kept if kept.codebooks.method == method else None


def _none(why: str) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"made": f"no: {why}"}, data_version=dg.DataVersion(why))


SEMANTIC_IDS_CHECKS = checks_of(SEMANTIC_IDS)
