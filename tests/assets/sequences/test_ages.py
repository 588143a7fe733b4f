"""How old plays are, where their times are a clock."""

import numpy as np
import pytest

from assets.sequences.loading import ages

DAY = 86_400


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_ages_are_days_back_from_the_newest_play(unit: int) -> None:
    times = (1_400_000_000 + np.array([0, 10 * DAY, 9 * DAY + DAY // 2, 0])) * unit
    found = ages(times)
    assert found is not None and found.dtype == np.float32
    np.testing.assert_allclose(found, [10, 0, 0.5, 10], atol=1e-3)


@pytest.mark.parametrize(
    "times",
    [
        np.arange(1, 287_108),  # numbers of lines
        np.arange(1_400_000_000, 1_400_000_500),  # those of a very long file
        np.array([3, 1, 2, 2, 1]),
        np.array([1, 1_400_000_000]),  # one of them is no time
        np.array([], dtype=np.int64),
    ],
)
def test_numbers_that_are_no_clock_give_no_ages(times: np.ndarray) -> None:
    assert ages(times) is None
