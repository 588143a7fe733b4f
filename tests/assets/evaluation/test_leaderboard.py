"""What the leaderboard does with models that are no good."""

import numpy as np
import pyarrow as pa

from assets.evaluation.leaderboard import leaderboard_markdown, measures_markdown, recommendation_rows
from models.bundle.bundle import ItemTable

WHOLE = 62  # letters of a row that Dagster's UI shows whole in a window of 1,440 px
ITEMS = ItemTable(["", "a", "b"], ["", "A", "B"], np.array([0, 2, 1]))


def test_the_rows_of_a_model_that_recommends_nothing_go_with_those_of_the_others() -> None:
    """Where every score is NaN: the gate refuses such a model, and has to see the leaderboard for that."""
    users = np.array(["u1", "u2"])
    nothing = np.zeros((2, 2), dtype=np.int32)
    silent = recommendation_rows("silent", users, nothing, np.full((2, 2), -np.inf, np.float32), ITEMS)
    sound = recommendation_rows("sound", users, nothing + 1, np.ones((2, 2), np.float32), ITEMS)
    assert silent.num_rows == 0
    assert pa.concat_tables([silent, sound]).num_rows == 4


def test_a_leaderboard_is_no_wider_than_the_ui_shows() -> None:
    figures = ("ndcg_at_10", "ndcg_at_10_low", "ndcg_at_10_high", "hr_at_10", "mrr_at_10", "coverage_at_20")
    row = {"model": "recent_popularity", "role": "candidate", **dict.fromkeys(figures, 0.12345)}
    for shown in (leaderboard_markdown([row]), measures_markdown([row])):
        assert max(map(len, shown.splitlines())) <= WHOLE
    together = leaderboard_markdown([row]) + measures_markdown([row])
    for measure in ("NDCG@10", "interval", "HR@10", "MRR@10", "coverage@20"):
        assert measure in together
