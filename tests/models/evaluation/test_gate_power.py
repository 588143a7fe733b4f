"""How often the gate is right, by the simulation of `make bench-gate`."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from models.evaluation.gate import Policy


@pytest.fixture(scope="module")
def gate_power() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "gate_power", Path(__file__).parents[3] / "benchmarks" / "gate_power.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_simulated_ranks_are_like_measured_ones(gate_power: ModuleType) -> None:
    (verdict,) = gate_power.verdicts(100_000, 1, 0.0, Policy(resamples=200), seed=1)
    baseline, champion = verdict.estimates
    assert champion.other_value == pytest.approx(0.19, abs=0.004)
    assert champion.candidate_value == pytest.approx(0.19, abs=0.004)
    assert baseline.other_value == pytest.approx(0.165, abs=0.004)
    paired_deviation = champion.detectable_difference * np.sqrt(100_000) / (1.959964 + 1.281552)
    assert 0.13 <= paired_deviation <= 0.17  # 0.15 measured between two trainings


@pytest.mark.slow
def test_power_at_10_000_users(gate_power: ModuleType) -> None:
    """Of 200 candidates worse by the margin at most 5% are promoted, of 200 equal ones at least 80%."""
    rates = gate_power.rates(10_000, 200, Policy(resamples=500), seed=2)
    assert 0.01 <= rates.margin <= 0.05
    assert rates.worse <= 0.05
    assert rates.equal >= 0.80
