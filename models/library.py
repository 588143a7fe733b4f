"""The models without the pipeline, for notebooks: fit, recommend, evaluate, save and load on a DataFrame.

What is saved is a bundle, as the pipeline writes and the endpoint reads it.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from models.baselines import BASELINES, Facts, NotApplicableError
from models.baselines.bundles import baseline_bundle
from models.blend.scorer import BLEND
from models.bundle.bundle import PADDING, ItemTable, read_items, read_manifest
from models.bundle.code import code_version
from models.config import TrainConfig
from models.data import Holdout, Sequences, Split, leave_one_out
from models.evaluation.metrics import rank_targets, summary, top_k
from models.evaluation.translate import TranslatedScorer
from models.frames import FrameError, Plays, id_text, read_plays
from models.networks import NETWORKS, default_config
from models.opening import check_golden, open_scorer
from models.scorer import Scorer
from models.writing import Origin

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "notebook"


class _Fitted(NamedTuple):
    scorer: Scorer
    items: ItemTable
    write: Callable[[Path], object]  # its bundle, into a folder
    plays: Plays | None = None  # that it learned from; a bundle keeps none
    test: Holdout | None = None


class Recommender:
    """One model, a network or a baseline, and the items of the frame that it learned from.

    Ids of users and items are text; numbers become text. `settings` are those of `models.config`, such as
    `epochs=5`; those left out follow from the data. Raises FrameError, and ConfigError for a setting.
    """

    def __init__(self, model: str = "sasrec", **settings: Any) -> None:
        if model not in NETWORKS and model not in BASELINES and model != BLEND:
            raise FrameError(
                f"There is no model {model!r}: take one of {', '.join([*NETWORKS, *BASELINES])}."
            )
        if settings and model in BASELINES:
            raise FrameError(f"The baseline {model} takes no settings: leave out {', '.join(settings)}.")
        self.model, self._settings = model, settings
        self._config: dict[str, Any] = {}  # of the bundle that it was loaded from
        self._fitted: _Fitted | None = None

    def fit(self, frame: Any) -> Self:
        """Learn from a frame of pandas, Polars or Arrow with the columns user_id, item_id and timestamp.

        Of each user with three items or more the last one is held out for `evaluate`, and the one before it
        chooses settings and says when to stop; neither is learned from. Raises FrameError.
        """
        if self.model == BLEND:
            raise FrameError(
                "A blend is loaded and not fitted: fit one of its members, or run the pipeline, which blends."
            )
        plays = read_plays(frame)
        split = leave_one_out(plays.sequences)
        if not np.any(split.train.lengths > 1):
            raise FrameError("Nobody in the frame has played 4 items: there is no order to learn from.")
        items = ItemTable(["", *plays.items], ["", *plays.items], split.train.counts())
        scorer, write = self._learn(split, items, Facts(items.ids, plays.times_of(split.train), items=items))
        self._fitted = _Fitted(scorer, items, write, plays, split.test)
        return self

    def recommend(
        self,
        users: Sequence[object] | None = None,
        *,
        histories: Sequence[Sequence[object]] | None = None,
        k: int = 10,
    ) -> "pd.DataFrame":
        """The best `k` items that each user of the frame, or each history (oldest first), does not have yet.

        Columns: user_id, or for histories `history` (their place, from 0); rank from 1, item_id, score. Items
        that the model does not know are passed over in histories. Raises FrameError.
        """
        import pandas as pd

        if (users is None) == (histories is None):
            raise FrameError("Say for whom: give either users or histories.")
        if k < 1:
            raise FrameError(f"k is {k}: ask for at least one item.")
        fitted = self._known()
        if users is not None:
            name, whom, rows = "user_id", np.array([id_text(user) for user in users]), self._rows_of(users)
        else:
            assert histories is not None
            name, whom, rows = "history", np.arange(len(histories)), self._indexes(histories)
        items, scores = top_k(fitted.scorer, rows, k)  # [asked, k] each
        asked, place = np.nonzero(items != PADDING)
        ids = [fitted.items.ids[item] for item in items[asked, place]]
        columns = {name: whom[asked], "rank": place + 1, "item_id": ids, "score": scores[asked, place]}
        return pd.DataFrame(columns)

    def evaluate(self, frame: Any = None) -> dict[str, float]:
        """Mean HR, NDCG and MRR of the last item of each user, given those before it, by names as `ndcg@10`.

        Without a frame the items are those that `fit` held out; a frame should hold what `fit` never saw.
        Ranks are over all items that the user does not have; an item that the model does not know ranks last.
        Raises FrameError.
        """
        fitted = self._known()
        if frame is not None:
            test, scorer = _test_of(read_plays(frame), fitted)
        elif fitted.test is not None:
            test, scorer = fitted.test, fitted.scorer
        else:
            raise FrameError("A loaded model holds nothing out: give a frame to evaluate it on.")
        if len(test) == 0:
            raise FrameError("Nobody in the frame has played 3 items: there is nothing to evaluate on.")
        return summary(rank_targets(scorer, test))

    def save(self, folder: str | Path) -> Path:
        """Write the model's bundle, which holds items and no users, to a new folder. Raises FrameError."""
        fitted, path = self._known(), Path(folder)
        if path.exists():
            raise FrameError(f"{path} exists already: choose another folder.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as aside:
            unfinished = Path(aside) / "bundle"
            fitted.write(unfinished)
            unfinished.rename(path)  # whole or not at all
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """A model from its bundle, of `save` or of the pipeline; `fit` trains with the bundle's settings.

        Raises BundleError.
        """
        path = Path(folder)
        manifest = read_manifest(path)
        model = cls(manifest.architecture)
        model._config = manifest.config
        scorer, items = open_scorer(path), read_items(path)
        check_golden(path)

        def copy(to: Path) -> None:
            shutil.copytree(path, to)

        model._fitted = _Fitted(scorer, items, copy)
        return model

    def _learn(self, split: Split, items: ItemTable, facts: Facts) -> tuple[Scorer, Callable[[Path], object]]:
        origin = Origin(split.train.fingerprint(), code_version(__name__), SOURCE, split.name)
        if self.model in BASELINES:
            try:
                baseline = BASELINES[self.model].fit(split.train, split.validation, facts)
            except NotApplicableError as why:
                raise FrameError(f"The baseline {self.model} cannot be fitted to this frame: {why}") from None
            metrics = summary(rank_targets(baseline, split.validation))
            return baseline, lambda folder: baseline_bundle(folder, baseline, items, origin, metrics)
        from models.training.export import export_network  # torch takes seconds to import
        from models.training.scoring import NetworkScorer
        from models.training.train import train

        known = (
            TrainConfig.from_dict(self._config) if self._config else default_config(self.model, split.train)
        )
        trained = train(self.model, split, known.with_changes(**self._settings))
        return NetworkScorer(trained.network), lambda folder: export_network(folder, trained, items, origin)

    def _known(self) -> _Fitted:
        if self._fitted is None:
            raise FrameError("The model has learned nothing yet: call fit first, or load one.")
        return self._fitted

    def _rows_of(self, users: Sequence[object]) -> Sequences:
        """All that these users of the frame have played."""
        plays = self._known().plays
        if plays is None:
            raise FrameError("A loaded model knows no users: give their histories instead.")
        row_of = {user: row for row, user in enumerate(plays.users)}
        asked = [id_text(user) for user in users]
        unknown = [user for user in asked if user not in row_of]
        if unknown:
            raise FrameError(
                f"The frame had no user {unknown[0]!r}{_and_others(unknown)}: give histories instead."
            )
        return plays.sequences.rows(np.array([row_of[user] for user in asked], np.int64))

    def _indexes(self, histories: Sequence[Sequence[object]]) -> Sequences:
        items = self._known().items
        index = items.index()
        asked = [[id_text(item) for item in history] for history in histories]
        rows = [[index[item] for item in history if item in index] for history in asked]
        for history, row in zip(histories, rows, strict=True):
            if not row:
                raise FrameError(
                    f"The model knows no item of the history {list(history)[:3]}: ids are those of the frame."
                )
        return Sequences.from_lists(rows, items.n_items)


def _test_of(plays: Plays, fitted: _Fitted) -> tuple[Holdout, Scorer]:
    """The last item of each user of a frame, and the model in a vocabulary that has the frame's items too."""
    index = fitted.items.index()
    ids = [*fitted.items.ids, *(item for item in plays.items if item not in index)]
    outer = ItemTable(ids, ids, np.zeros(len(ids), np.int64))
    index = outer.index()
    places = np.array([PADDING, *(index[item] for item in plays.items)], np.int32)
    rows = Sequences(places[plays.sequences.items], plays.sequences.offsets, outer.n_items)
    return leave_one_out(rows).test, TranslatedScorer(fitted.scorer, fitted.items, outer)


def _and_others(names: Sequence[str]) -> str:
    return f" nor {len(names) - 1} others asked for" if len(names) > 1 else ""
