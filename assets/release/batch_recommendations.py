"""The champion's recommendations for every user, made after each promotion."""

from pathlib import Path

import dagster as dg
import numpy as np

from assets.engines.sql import statement
from assets.evaluation.leaderboard import TOP, recommendation_rows
from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences
from assets.state.code import made_by
from assets.state.lake import fingerprint, write_parquet
from assets.training.entrants import open_bundle
from models.evaluation.metrics import top_k
from serving.state.pointer import read_pointer

CODE = made_by(__name__)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "onnx"},
    code_version=CODE,
    deps=["promotion", "sequences", "items"],
    description="The champion's top 20 for every user, from their whole history, seen items left out.",
)
def batch_recommendations(home: Home) -> dg.MaterializeResult[None]:
    lake, items = home.lake(), load_items(home.lake())
    sequences, user_ids = load_sequences(lake)
    pointer = read_pointer(home.pointer_file)
    if pointer is None:
        return dg.MaterializeResult(metadata={"rows": 0, "why": "there is no champion yet"})
    folder = pointer.folder(home.pointer_file)

    def write(path: Path) -> None:
        champion = open_bundle(folder, "champion", "champion", items)
        best, scores = top_k(champion.scorer, sequences, TOP)  # [users, TOP] each
        rows = recommendation_rows("champion", np.asarray(user_ids), best, scores, items)
        with lake.connect() as connection:
            connection.register("champion_rows", rows.drop_columns(["model"]))
            write_parquet(connection, "FROM champion_rows", path)

    made_from = fingerprint("batch", CODE, lake.current("sequences").fingerprint, pointer.bundle_hash)
    published = lake.publish("batch_recommendations", made_from, write)
    return dg.MaterializeResult(
        metadata={"rows": published.rows, "users": len(sequences), "champion": f"version {pointer.version}"}
    )


def champion_examples(home: Home, n: int, shown: int = 4) -> list[tuple[list[str], list[str]]]:
    """Titles of the newest items of `n` users' histories, and of what the champion recommends them first.

    The users are those of middling history length, spread over the table, so that the examples say something.
    """
    with home.lake().connect("sequences", "items", "batch_recommendations") as connection:
        rows = connection.execute(statement("champion_examples"), {"n": n, "shown": shown}).fetchall()
    return [(list(history), list(titles)) for history, titles in rows]
