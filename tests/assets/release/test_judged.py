"""What MLflow is told of tonight's models is what the gate did with them."""

import pytest

from assets.release.judged import on_validation


@pytest.mark.parametrize("unknown", [float("nan"), float("inf")])
def test_a_model_without_a_number_was_not_the_one_submitted(unknown: float) -> None:
    rows = [{"model": name, "validation_ndcg_at_10": value} for name, value in (("a", unknown), ("b", 0.2))]
    assert max(rows, key=on_validation)["model"] == max(rows[::-1], key=on_validation)["model"] == "b"
