import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import ConfigError, NetworkConfig, TrainConfig, defaults_for
from models.data import Sequences
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
        ({"threads": 0}, "threads=0 is not allowed: it must be at least 1."),
        ({"loss": "hinge"}, "loss='hinge' is not allowed: it must be one of full, sampled, gbce, bce."),
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
    with pytest.raises(
        ConfigError,
        match="NetworkConfig has no setting 'wide'; it has dropout, feed_factor, heads, item_dropout",
    ):
        TrainConfig.from_dict({"network": {"wide": 1}})


def test_settings_are_changed_by_plain_name() -> None:
    config = TrainConfig().with_changes(width=32, epochs=3)
    assert config == TrainConfig(network=NetworkConfig(width=32), epochs=3)
    assert config.with_changes() == config


@given(st.integers(1, 10**7), st.integers(1, 10**9), st.integers(1, 10**5), st.floats(0, 10**5))
def test_defaults_are_valid_and_survive_json_for_any_data(
    items: int, rows: int, long_history: int, mean_history: float
) -> None:
    config = defaults_for(items, rows, long_history, mean_history)
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_sparse_data_get_more_dropout_and_a_large_catalogue_a_sampled_loss() -> None:
    dense, sparse = defaults_for(1_000, 100_000), defaults_for(10_000, 150_000)
    assert (dense.network.dropout, dense.loss) == (0.2, "full")
    assert (sparse.network.dropout, sparse.loss) == (0.5, "sampled")
    assert 0.2 < defaults_for(1_000, 50_000).network.dropout < 0.5


def test_long_histories_are_shown_in_part_and_short_ones_whole() -> None:
    shapes = [defaults_for(1_000, 100_000, mean_history=mean).network for mean in (3, 8, 10, 12, 50)]
    assert [shape.item_dropout for shape in shapes] == [0.0, 0.0, 0.11, 0.2, 0.2]
    assert [shape.dropout for shape in shapes] == [0.2, 0.2, 0.14, 0.1, 0.1]


def test_large_data_are_trained_on_fewer_times_and_long_histories_are_seen_whole() -> None:
    assert defaults_for(1_000, 100_000).epochs == 30
    assert defaults_for(1_000, 100_000, mean_history=10.0).epochs == 47
    assert defaults_for(1_000, 100_000, mean_history=12.0).epochs == 60
    assert defaults_for(1_000, 10_000_000).epochs == 10
    assert [defaults_for(9_000, n, mean_history=40.0).epochs for n in (750_000, 2_130_000)] == [60, 21]
    assert defaults_for(1_000, 10**9).epochs == 3
    assert [defaults_for(1_000, 10**5, n).network.max_length for n in (5, 100, 999)] == [64, 100, 256]


def test_content_is_used_where_it_is_known_and_plays_are_few() -> None:
    known = [defaults_for(1_000, plays, described=True).content for plays in (5_000, 20_000, 21_000, 10**6)]
    assert known == [5.0, 5.0, 0.0, 0.0]
    assert defaults_for(1_000, 5_000).content == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_starts_from_the_defaults_for_its_data(name: str) -> None:
    train = Sequences.from_lists([[1, 2, 3, 4]] * 9 + [list(range(1, 101))], n_items=100)
    mean = 0.0 if NETWORKS[name].masked else 13.6  # a mask hides items already
    expected = defaults_for(100, len(train.items), int(np.quantile(train.lengths, 0.9)), mean)
    assert default_config(name, train) == expected.with_changes(**NETWORKS[name].settings)


@pytest.mark.parametrize("name", NETWORKS)
def test_where_things_are_played_again_epochs_are_as_many_as_plays_are_new(name: str) -> None:
    lists = [[1, 2, 3, 4]] * 9 + [[1, 2] * 50]
    new = (9 * 4 + 2) / 136
    train = Sequences.from_lists(lists, n_items=4)
    mean = 0.0 if NETWORKS[name].masked else 13.6
    expected = defaults_for(4, len(train.items), int(np.quantile(train.lengths, 0.9)), mean)
    epochs = round(new * expected.epochs)
    assert default_config(name, train) == expected.with_changes(epochs=epochs, **NETWORKS[name].settings)


def test_what_masks_hides_no_more_and_keeps_its_dropout() -> None:
    train = Sequences.from_lists([[1, 2, 3, 4] * 4] * 10, n_items=4)
    bert4rec, sasrec = (default_config(name, train).network for name in ("bert4rec", "sasrec"))
    assert (sasrec.item_dropout, bert4rec.item_dropout) == (0.2, 0.0)
    assert bert4rec.dropout == pytest.approx(sasrec.dropout + 0.1)


def test_settings_and_the_list_of_networks_need_no_torch() -> None:
    script = "import sys; sys.modules['torch'] = None; import models.config, models.data, models.networks"
    subprocess.run([sys.executable, "-c", script], check=True)
