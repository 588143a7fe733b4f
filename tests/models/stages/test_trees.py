"""Trees as LightGBM writes them: by hand, broken, and to the byte what LightGBM says."""

import numpy as np
import pytest

from models.stages.trees import Trees

# The first asks whether feature 0 is at most 1.5 (NaN goes left), and right of that whether feature 1 is at
# most 0 (NaN counts as 0); the second is a leaf alone.
TEXT = """tree
version=v4

Tree=0
num_leaves=3
num_cat=0
split_feature=0 1
threshold=1.5 0
decision_type=10 2
left_child=-1 -2
right_child=1 -3
leaf_value=10 20 30

Tree=1
num_leaves=1
num_cat=0
leaf_value=0.5


end of trees
"""
NAN = float("nan")


def test_by_hand() -> None:
    trees = Trees.parse(TEXT, 2)
    rows = np.array([[1.5, 9], [2, 0], [2, 0.1], [NAN, 9], [2, NAN]], dtype=np.float32)
    assert trees.predict(rows).tolist() == [10.5, 20.5, 30.5, 10.5, 20.5]
    assert trees.predict(rows[:0]).shape == (0,)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("end of trees", "", "there are no trees"),
        ("Tree=", "Branch=", "there are no trees"),
        ("threshold=1.5 0\n", "", "a tree has no 'threshold'"),
        ("threshold=1.5 0", "threshold=1.5", "fewer splits"),
        ("decision_type=10", "decision_type=11", "something else than numbers"),
        ("decision_type=10", "decision_type=6", "something else than numbers"),
        ("right_child=1", "right_child=7", "does not have"),
        ("right_child=1", "right_child=0", "round in a circle"),
        ("split_feature=0 1", "split_feature=0 2", "asks for feature 2 of 2"),
        ("leaf_value=0.5", "leaf_value=x", "could not convert"),
    ],
)
def test_what_is_broken_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Trees.parse(TEXT.replace(old, new), 2)


def test_it_says_to_the_byte_what_lightgbm_says() -> None:
    lightgbm = pytest.importorskip("lightgbm", reason="the extra stages is not installed")
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3)).astype(np.float32)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[:, 2] = rng.integers(0, 3, size=400)  # never NaN in training
    said = np.nan_to_num(rows[:, 0]) + rows[:, 2] * np.isnan(rows[:, 1])
    settings = {"num_leaves": 7, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(settings, lightgbm.Dataset(rows, label=said), 12)
    asked = rows.copy()
    asked[::7, 2] = np.nan
    trees = Trees.parse(booster.model_to_string(), 3)
    assert trees.predict(asked).tobytes() == booster.predict(asked, raw_score=True).tobytes()
