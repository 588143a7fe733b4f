"""The baselines on the split that tonight's is not."""

import numpy as np
import pytest

from assets.evaluation.other_splits import markdown, splits_beside
from assets.sequences.loading import Times
from models.data import Sequences

DAY = 86_400
USERS = 300
PLAYED = Sequences.from_lists([[1, 2, 3, 4, 5]] * USERS, 5)
SINCE = 1_400_000_000
TIMES = np.concatenate([SINCE + (np.arange(5) + user) * DAY for user in range(USERS)])
DATED = Times(TIMES, TIMES[:0], 1.0)
CUT = int(np.quantile(TIMES, 0.9, method="inverted_cdf"))


@pytest.mark.parametrize(
    ("times", "cut", "tested", "names"),
    [
        (None, None, 300, []),
        (Times(np.arange(5 * USERS), TIMES[:0], None), None, 300, []),
        (DATED, None, 300, ["temporal (0.8,0.9)"]),
        (DATED, CUT, 34, ["leave-one-out", "temporal (0.6,0.7)", "temporal (0.7,0.8)"]),
        (DATED, CUT, 1_000, ["leave-one-out"]),
        (DATED, SINCE + 3 * DAY, 34, ["leave-one-out"]),
    ],
)
def test_dated_plays_have_another_split_and_with_few_users_earlier_cuts(
    times: Times | None, cut: int | None, tested: int, names: list[str]
) -> None:
    found = list(splits_beside(PLAYED, times, cut, tested, exclude_seen=True))
    assert [split.name for split in found] == names
    assert all(len(split.test) and len(split.train.items) for split in found)
    for split in found:
        place = 5 * split.test.users + split.test.histories.lengths
        assert split.test.asked_ms is not None
        assert split.test.asked_ms.tolist() == (1000 * TIMES[place]).tolist()


def test_the_table_names_split_model_and_interval() -> None:
    row = {"split": "leave-one-out", "model": "markov", "plays": 9, "users": 9, "ndcg_at_10": 0.5}
    told = markdown([row | {"ndcg_at_10_low": 0.25, "ndcg_at_10_high": 0.75}])
    assert told.splitlines()[-1] == "| leave-one-out | markov | 9 | 0.5000 | 0.2500\u00a0to\u00a00.7500 |"
