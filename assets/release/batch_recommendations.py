"""The champion's recommendations for every user, made after each promotion."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.contracts import checks_of
from assets.engines.sql import statement
from assets.evaluation.leaderboard import recommendation_rows
from assets.evaluation.leaderboard_tables import RECOMMENDED, TOP
from assets.feedback.refusals import refused
from assets.formats.table import Table
from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences, load_times
from assets.shown.tables import columns_shown
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from assets.state.made_here import write_rows
from assets.training.entrants import open_bundle
from models.bundle.bundle import ItemTable, OtherFormatError, read_manifest
from models.evaluation.metrics import top_k
from models.moment import Moment
from serving.state.pointer import read_pointer

CODE = made_by(__name__)
BATCH_RECOMMENDATIONS = Table(
    "batch_recommendations",
    "The champion's top 20 for every user, from their whole history; seen items as the endpoint has them.",
    RECOMMENDED,
    optional=True,
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "onnx"},
    code_version=CODE,
    deps=["promotion", "sequences", "items", "refusals"],
    description=BATCH_RECOMMENDATIONS.words,
    metadata=columns_shown(BATCH_RECOMMENDATIONS),
)
def batch_recommendations(home: Home) -> dg.MaterializeResult[None]:
    lake, items, away = home.lake(), load_items(home.lake()), refused(home.lake())
    sequences, user_ids = load_sequences(lake)
    pointer = read_pointer(home.pointer_file)
    if pointer is None:
        return dg.MaterializeResult(metadata={"rows": 0, "why": "there is no champion yet"})
    folder = pointer.folder(home.pointer_file)
    try:
        read_manifest(folder)
    except OtherFormatError as error:
        dg.get_dagster_logger().warning("There are no new batch recommendations: %s", error)
        return dg.MaterializeResult(metadata={"rows": 0, "why": str(error)})

    def write(path: Path) -> None:
        champion = open_bundle(folder, "champion", "champion", items, serves=True)
        exclude_seen = read_manifest(folder).exclude_seen
        best, scores = top_k(
            champion.scorer, sequences, TOP,
            exclude_seen=exclude_seen,
            moment=_newest(lake, len(sequences)),
            refused=_rows(away, user_ids, items) if len(away) else None,
        )  # [users, TOP] each  # fmt: skip
        rows = recommendation_rows("champion", np.asarray(user_ids), best, scores, items)
        write_rows(lake, rows.drop_columns(["model"]).cast(BATCH_RECOMMENDATIONS.schema), path)

    parts = [lake.current("sequences").fingerprint, pointer.bundle_hash]
    made_from = fingerprint(
        "batch", CODE, *parts, *([lake.current("refusals").fingerprint] if len(away) else [])
    )
    published = lake.publish("batch_recommendations", made_from, write)
    return dg.MaterializeResult(
        metadata={"rows": published.rows, "users": len(sequences), "champion": f"version {pointer.version}"}
    )


def _rows(away: pa.Table, user_ids: Iterable[str], items: ItemTable) -> NDArray[np.int64]:
    """The refusals of users and items that are known, as `top_k` takes them."""
    users, known = {user: row for row, user in enumerate(user_ids)}, items.index()
    pairs = zip(away["user_id"].to_pylist(), away["item_id"].to_pylist(), strict=True)
    found = [(users[user], known[item]) for user, item in pairs if user in users and item in known]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _newest(lake: Lake, users: int) -> Moment | None:
    """They are as of the newest play; None where times are no clock."""
    times = load_times(lake)
    played_ms = times.since_1970_ms if times else None
    return None if played_ms is None else Moment.all_at(int(played_ms.max(initial=0)), users)


BATCH_CHECKS = checks_of(BATCH_RECOMMENDATIONS)


def champion_examples(home: Home, n: int, shown: int = 4) -> list[tuple[list[str], list[str]]]:
    """Titles of the newest items of `n` users' histories, and of what the champion recommends them first.

    The users are those of middling history length, spread over the table, so that the examples say something.
    """
    with home.lake().connect("sequences", "items", "batch_recommendations") as connection:
        rows = connection.execute(statement("champion_examples"), {"n": n, "shown": shown}).fetchall()
    return [(list(history), list(titles)) for history, titles in rows]
