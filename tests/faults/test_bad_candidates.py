"""Candidates that must not be promoted: the gate says why, and the champion stays."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from assets.evaluation.gate import gate, read_verdict
from assets.evaluation.leaderboard import leaderboard
from assets.resources import Gate, Home, Source, Training
from models.bundle.bundle import ITEM_BIAS, ITEM_EMBEDDINGS, WEIGHTS_FILE, read_items

pytestmark = pytest.mark.slow

Spoil = Callable[[Path, dict[str, np.ndarray]], None]


def nan(_: Path, weights: dict[str, np.ndarray]) -> None:
    weights[ITEM_EMBEDDINGS][1:, 0] = np.nan


def popular_only(folder: Path, weights: dict[str, np.ndarray]) -> None:
    weights[ITEM_EMBEDDINGS][:] = 0
    weights[ITEM_BIAS][:] = np.log1p(read_items(folder).counts)


def wrong_way(_: Path, weights: dict[str, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    weights[ITEM_EMBEDDINGS][1:] = rng.permutation(weights[ITEM_EMBEDDINGS][1:])


def submit(home: Home, spoil: Spoil) -> None:
    """A spoiled copy of a candidate, which validation is said to have liked best."""
    store = home.bundles()
    bad = Path(shutil.copytree(store.current("sasrec"), home.folder("bundles") / f"sasrec-{'0' * 16}"))
    weights = load_file(bad / WEIGHTS_FILE)
    spoil(bad, weights)
    save_file(weights, bad / WEIGHTS_FILE)
    manifest = json.loads((bad / "manifest.json").read_text())
    manifest["metrics"]["ndcg@10"] = 0.99
    (bad / "manifest.json").write_text(json.dumps(manifest))
    current = home.folder("bundles") / "current.json"
    current.write_text(json.dumps(store.currents() | {"sasrec": bad.name}))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (nan, "gave no number (NaN) for"),
        (popular_only, "does not beat popularity"),
        (wrong_way, "does not beat markov"),
    ],
)
def test_a_bad_candidate_is_refused_with_the_reason(spoil: Spoil, reason: str, home: Home) -> None:
    before = home.pointer_file.read_bytes()
    submit(home, spoil)
    resources = {
        "home": home, "gate_policy": Gate(), "source": Source(sample_size="tiny"), "training": Training(),
    }  # fmt: skip
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([leaderboard, gate], instance=instance, resources=resources).success
    verdict = read_verdict(home)
    assert not verdict.promote
    assert any("sasrec" in told and reason in told for told in verdict.reasons), verdict.reasons
    assert home.pointer_file.read_bytes() == before
