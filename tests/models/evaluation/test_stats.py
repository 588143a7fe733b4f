"""Intervals against SciPy and against how often they hold the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap, t

from models.evaluation import stats
from models.evaluation.metrics import per_user
from models.evaluation.stats import bootstrap_interval, detectable_difference


def ndcg_like(n: int, rng: np.random.Generator) -> np.ndarray:
    return per_user("ndcg@10", np.ceil(np.exp(rng.normal(3.5, 2.2, size=n))).astype(np.int32))


def test_agrees_with_scipys_percentile_bootstrap() -> None:
    rng = np.random.default_rng(1)
    values = ndcg_like(800, rng) - ndcg_like(800, rng)
    ours = bootstrap_interval(values, resamples=20_000, seed=2)
    theirs = bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02 * width)


def test_agrees_with_a_t_interval_on_continuous_values() -> None:
    values = np.random.default_rng(4).normal(0.3, 2, size=3_000)
    half = t.ppf(0.95, 2_999) * values.std(ddof=1) / math.sqrt(3_000)
    low, high = bootstrap_interval(values, confidence=0.9, resamples=4_000, seed=5)
    assert low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_holds_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    truth = float(ndcg_like(2_000_000, rng).mean())
    held = [
        low <= truth <= high
        for low, high in (bootstrap_interval(ndcg_like(300, rng), resamples=500, seed=s) for s in range(400))
    ]
    assert 0.92 <= np.mean(held) <= 0.975  # 0.95, standard error 0.011, a little lower at 300 users


@pytest.mark.parametrize("values", [ndcg_like(500, np.random.default_rng(7)), np.linspace(-1, 1, 300)])
def test_follows_from_the_seed_and_not_from_the_memory_at_hand(
    values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = bootstrap_interval(values, seed=8)
    assert bootstrap_interval(values, seed=8) == whole
    assert bootstrap_interval(values, seed=9) != whole
    monkeypatch.setattr(stats, "_CELLS", 1_000)  # 2,000 resamples in chunks of a few
    assert bootstrap_interval(values, seed=8) == pytest.approx(whole, abs=1e-12)


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    st.floats(0.5, 0.99),
    st.randoms(use_true_random=False),
)
def test_lies_within_the_values_whatever_their_order(values: list[float], confidence: float, random) -> None:  # type: ignore[no-untyped-def]
    low, high = bootstrap_interval(np.array(values), confidence=confidence, resamples=50, seed=1)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    random.shuffle(values)
    again = bootstrap_interval(np.array(values), confidence=confidence, resamples=50, seed=1)
    assert again == (low, high)


def test_equal_values_leave_no_doubt() -> None:
    assert bootstrap_interval(np.full(50, 0.25), seed=0) == pytest.approx((0.25, 0.25))


@pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
def test_values_without_a_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_interval(np.array(values), seed=0)


def test_detectable_difference_by_hand() -> None:
    differences = np.array([-1.0, 1.0] * 50)  # standard deviation sqrt(100 / 99)
    expected = (1.959964 + 0.841621) * math.sqrt(100 / 99) / 10
    assert detectable_difference(differences, power=0.8) == pytest.approx(expected, rel=1e-5)


def test_detectable_difference_is_found_as_often_as_it_says() -> None:
    rng = np.random.default_rng(10)
    noise = rng.normal(size=(1_000, 400))  # [experiments, users]
    effect = detectable_difference(noise.ravel(), power=0.8) * math.sqrt(noise.size / 400)
    found = 0
    for sample in noise[:400]:
        low, _ = bootstrap_interval(np.round(sample + effect, 1), resamples=300, seed=11)
        found += low > 0
    assert 0.74 <= found / 400 <= 0.86


@pytest.mark.parametrize("users", [0, 1])
def test_too_few_users_detect_nothing(users: int) -> None:
    assert detectable_difference(np.zeros(users), power=0.8) == math.inf
