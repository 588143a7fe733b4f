import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import ConfigError, NetworkConfig, TrainConfig, defaults_for
from models.networks import NETWORKS, default_config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "width=0 is not allowed: it must be at least 1."),
        ({"width": 10, "heads": 4}, "width=10 is not allowed: it must be a multiple of heads=4."),
        ({"dropout": 1.0}, "dropout=1.0 is not allowed: it must be at least 0 and below 1."),
        ({"dropout": float("nan")}, "dropout=nan is not allowed: it must be at least 0 and below 1."),
        ({"max_length": -3}, "max_length=-3 is not allowed: it must be at least 1."),
        ({"max_length": 2.5}, "max_length=2.5 is not allowed: it must be a whole number."),
        ({"epochs": True}, "epochs=True is not allowed: it must be a whole number."),
        ({"learning_rate": "0.1"}, "learning_rate='0.1' is not allowed: it must be a number."),
        ({"epochs": 0}, "epochs=0 is not allowed: it must be at least 1."),
        ({"learning_rate": 0.0}, "learning_rate=0.0 is not allowed: it must be above 0."),
        ({"learning_rate": float("inf")}, "learning_rate=inf is not allowed: it must be above 0."),
        ({"weight_decay": -0.1}, "weight_decay=-0.1 is not allowed: it must be at least 0."),
        ({"seed": -1}, "seed=-1 is not allowed: it must be at least 0."),
        ({"threads": 0}, "threads=0 is not allowed: it must be at least 1, or left out."),
        ({"loss": "bce"}, "loss='bce' is not allowed: it must be one of full, sampled."),
        ({"schedule": None}, "schedule=None is not allowed: it must be one of constant, cosine."),
    ],
)
def test_a_setting_out_of_range_is_one_clear_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig().with_changes(**changes)
    assert str(caught.value) == message


def test_an_unknown_setting_is_named_with_those_that_exist() -> None:
    for make in (
        lambda: TrainConfig().with_changes(learning_speed=1),
        lambda: TrainConfig.from_dict({"learning_speed": 1}),
    ):
        with pytest.raises(ConfigError, match="TrainConfig has no setting 'learning_speed'; it has batch_"):
            make()
    with pytest.raises(ConfigError, match="NetworkConfig has no setting 'wide'; it has dropout, heads"):
        TrainConfig.from_dict({"network": {"wide": 1}})


def test_settings_are_changed_by_plain_name() -> None:
    config = TrainConfig().with_changes(width=32, epochs=3)
    assert config == TrainConfig(network=NetworkConfig(width=32), epochs=3)
    assert config.with_changes() == config


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**9))
def test_defaults_are_valid_and_survive_json_for_any_data(users: int, items: int, rows: int) -> None:
    for config in (
        defaults_for(users, items, rows),
        *(default_config(n, users, items, rows) for n in NETWORKS),
    ):
        assert TrainConfig.from_dict(config.to_dict()) == config


def test_settings_and_the_list_of_networks_need_no_torch() -> None:
    script = "import sys; sys.modules['torch'] = None; import models.config, models.data, models.networks"
    subprocess.run([sys.executable, "-c", script], check=True)
