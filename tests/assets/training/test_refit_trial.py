"""A refit beside its twin, where some users have many test plays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from assets.training import refit_trial
from assets.training.refit_trial import try_refit
from models.data import Holdout, Sequences

N_ITEMS, USERS, MANY = 30, 20, 60


class Finds:
    """Puts item 1 first after one item, and last after any other."""

    def __init__(self, after: int) -> None:
        self._after = after

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        scores = np.tile(np.arange(N_ITEMS + 1, dtype=np.float32), (len(histories), 1))
        scores[:, 1] = [100.0 if history[-1] == self._after else -1.0 for history in histories]
        return scores


def test_one_user_of_many_plays_does_not_pass_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The refit misses all plays of one user, and finds those of the nineteen others that its twin misses."""
    users = np.array([0] * MANY + list(range(1, USERS)))
    histories = Sequences.from_lists([[2] if user == 0 else [3] for user in users], N_ITEMS)
    test = Holdout(users, np.ones(len(users), dtype=np.int32), histories)
    scorers = {"refit": Finds(3), "twin": Finds(2)}
    monkeypatch.setattr(refit_trial, "check_golden", lambda _: None)
    monkeypatch.setattr(refit_trial, "open_scorer", lambda folder: scorers[folder.name])
    trial = try_refit(Path("refit"), Path("twin"), test, 0.0)
    assert trial.ndcg < trial.twin_ndcg
    assert not [fault for fault in trial.faults if "surely below" in fault]
