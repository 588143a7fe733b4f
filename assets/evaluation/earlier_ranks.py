"""Ranks of plays that earlier nights were judged on: where few people play, they count beside tonight's.

A recipe is what makes a model under one name: the code, the data's split, and what a person has set. Its
rank of the play that was somebody's newest a week ago is evidence of the recipe as tonight's are. Models of
another recipe, and plays that are no longer where they were, tell nothing of it and are left out.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.engines.sql import statement
from assets.evaluation.leaderboard_tables import EARLIER_RANKS
from assets.resources import Training
from assets.state.lake import Lake, fingerprint
from assets.training.entrants import Entrant
from models.baselines import BASELINES
from models.bundle.bundle import ItemTable
from models.data import Holdout
from models.evaluation.evidence import Evidence, Policy

PLAYS_KEPT = 20  # of a user and a model, the newest ones
MADE_ANEW = ("baseline", "candidate")  # roles whose models a night makes; a champion has no recipe tonight
SETTINGS = ("changes", "search_minutes", "blend", "rerank", "semantic_ids")  # of Training, that shape models


def recipe(entrant: Entrant, training: Training) -> str:
    """What models of one name share when two nights have made them alike."""
    asked = {} if entrant.architecture in BASELINES else {name: getattr(training, name) for name in SETTINGS}
    return fingerprint(entrant.procedure, asked)[:16]


def few(test: Holdout) -> bool:
    """Whether so few people play that earlier nights count."""
    return len(np.unique(test.users)) < Policy.pool_below


def earlier_rows(lake: Lake, test: Holdout, users: NDArray[np.str_], recipes: dict[str, str]) -> pa.Table:
    """Rows of `earlier_ranks` that tonight's test plays of these users [plays] do not replace.

    `recipes` are tonight's, by model.
    """
    if not few(test) or not lake.has(EARLIER_RANKS.name):
        return EARLIER_RANKS.rows([])
    tonight = {"user_id": pa.array(users.tolist(), pa.string()), "position": test.histories.lengths}
    made = {"model": list(recipes), "recipe": list(recipes.values())}
    with lake.connect(EARLIER_RANKS.name, "sequences", "items") as connection:
        connection.register("tonight", pa.table(tonight))
        connection.register("recipes", pa.table(made))
        found = connection.sql(statement("earlier_ranks"), params={"most": PLAYS_KEPT}).to_arrow_table()
    return found.cast(EARLIER_RANKS.schema)


def tonights_rows(
    entrant: Entrant,
    how: str,
    ranks: NDArray[np.int32],
    test: Holdout,
    users: NDArray[np.str_],
    items: ItemTable,
) -> pa.Table:
    """What later nights may know of a model made by the recipe `how`, of its ranks [plays]."""
    columns = {
        "model": [entrant.model] * len(test),
        "recipe": [how] * len(test),
        "user_id": pa.array(users.tolist(), pa.string()),
        "position": test.histories.lengths,
        "item_id": np.asarray(items.ids)[test.targets].tolist(),
        "rank": ranks,
    }
    return pa.table(columns).cast(EARLIER_RANKS.schema)


def digest(rows: pa.Table) -> Sequence[str]:
    """Names the content; nothing of no rows, so that it makes no difference then."""
    if not rows.num_rows:
        return []
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows.combine_chunks())
    return [hashlib.sha256(sink.getvalue()).hexdigest()]


def earlier_evidence(lake: Lake, model: str, tonight: NDArray[np.str_]) -> Evidence | None:
    """Of a model on earlier nights' plays, without those named `tonight`; None without any."""
    if not lake.has(EARLIER_RANKS.name):
        return None
    with lake.connect(EARLIER_RANKS.name) as connection:
        rows = connection.execute(
            "SELECT user_id, position, rank FROM earlier_ranks WHERE model = ? ORDER BY user_id, position",
            [model],
        ).fetchnumpy()
    users = np.asarray(rows["user_id"]).astype(str)
    plays = play_ids(users, rows["position"])
    kept = ~np.isin(plays, tonight)
    if not kept.any():
        return None
    return Evidence(model, np.asarray(rows["rank"], np.int32)[kept], plays[kept], people=users[kept])


def play_ids(users: NDArray[np.str_], positions: NDArray[np.integer]) -> NDArray[np.str_]:
    """A name of each play, [plays], of whose it is and its place among the plays of that user."""
    return np.char.add(np.char.add(positions.astype(np.str_), " "), users)
