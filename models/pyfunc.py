"""A bundle as an MLflow model: `mlflow.pyfunc.load_model` calls `_load_pyfunc`. Free of MLflow and torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.bundle.bundle import read_items, read_manifest
from models.data import Sequences
from models.evaluation.metrics import top_k
from models.opening import open_scorer

if TYPE_CHECKING:
    import pandas as pd

HISTORY, ITEMS, SCORES = "history", "item_ids", "scores"
K = 10


class PyfuncModel:
    """What MLflow wraps. Ids of items are texts; those that the model does not know are passed over."""

    def __init__(self, bundle: Path) -> None:
        self._items = read_items(bundle)
        self._index = self._items.index()
        self._scorer = open_scorer(bundle)
        self._exclude_seen = read_manifest(bundle).exclude_seen

    def predict(self, model_input: "pd.DataFrame", params: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """The column `history`, ids oldest first, to the columns `item_ids` and `scores`, best first.

        `params` are `k` and `exclude_seen`, as the endpoint has them, with its defaults. Where no item of a
        history is known, the most played items are given, scored by how often they were played.
        """
        import pandas as pd

        asked = {"k": K, "exclude_seen": self._exclude_seen, **(params or {})}
        rows = [
            self._best(history, int(asked["k"]), asked["exclude_seen"]) for history in model_input[HISTORY]
        ]
        return pd.DataFrame(rows, columns=[ITEMS, SCORES], index=model_input.index)

    def _best(self, history: Sequence[str], k: int, exclude_seen: bool) -> tuple[list[str], list[float]]:
        known = [index for item in history if (index := self._index.get(str(item)))]
        scorer = self._scorer if known else self
        users = Sequences.from_lists([known], self._items.n_items)
        items, scores = top_k(scorer, users, k, exclude_seen=exclude_seen)  # [1, k] each
        given = items[0] > 0
        return [self._items.ids[i] for i in items[0][given]], scores[0][given].tolist()

    def score(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        """How often each item was played, as a `models.scorer.Scorer`; [users, n_items + 1]."""
        counts = self._items.counts.astype(np.float32)
        counts[0] = -np.inf
        return np.tile(counts, (len(histories), 1))


def _load_pyfunc(path: str) -> PyfuncModel:
    """What MLflow calls with the folder of the bundle. Raises BundleError."""
    return PyfuncModel(Path(path))
