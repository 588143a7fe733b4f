"""A blend: made from the current bundles, refitted member by member, reproduced byte for byte."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.evaluation.leaderboard import entrants
from assets.resources import Home, Source, Training
from assets.training import blend as blend_asset
from assets.training.blend import blend, blended_networks
from assets.training.blending import TRIED, blend_again, code_of, write_blend
from assets.training.bundling import (
    TrainingData,
    baseline_code,
    candidate_code,
    write_baseline,
    write_candidate,
)
from assets.training.refit import refit_code, write_refit
from assets.training.refit_trial import try_refit
from models.baselines import BASELINES, RecentPopularity
from models.blend.learning import NoBlendError
from models.blend.scorer import BLEND, MEMBERS_FOLDER, WEIGHTS, Blend
from models.bundle.bundle import EVERYTHING, bundle_hash, read_manifest
from models.opening import check_golden, open_scorer
from tests.assets.training.test_refit import CONFIG, data

TRIED_HERE = ("markov", "recent_popularity")


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A network that has hardly learned, so that baselines help it, and two of these."""
    root = tmp_path_factory.mktemp("members")
    judged, _ = data()
    (root / "sasrec").mkdir()
    write_candidate(root / "sasrec", "sasrec", judged, CONFIG.with_changes(epochs=1, warmup_steps=1))
    for name in TRIED_HERE:
        write_baseline(root / name, name, judged)
    return {name: root / name for name in ("sasrec", *TRIED_HERE)}


def parts(members: Mapping[str, Path]) -> tuple[list[dict[str, Path]], dict[str, Path]]:
    return [{"sasrec": members["sasrec"]}], {name: members[name] for name in TRIED_HERE}


@pytest.fixture(scope="module")
def bundle(members: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blend")
    write_blend(folder, *parts(members), data()[0])
    return folder


def test_a_blend_holds_the_members_that_help(bundle: Path, members: dict[str, Path]) -> None:
    manifest = read_manifest(bundle)
    assert (manifest.architecture, manifest.code_version) == (BLEND, code_of(BLEND))
    assert {"sasrec", "markov"} <= set(manifest.config[WEIGHTS]) and manifest.config[TRIED] == list(
        TRIED_HERE
    )
    kept = {path.name for path in (bundle / MEMBERS_FOLDER).iterdir()}
    assert kept == set(manifest.config[WEIGHTS])
    assert all(bundle_hash(bundle / MEMBERS_FOLDER / name) == bundle_hash(members[name]) for name in kept)
    assert manifest.metrics["ndcg@10"] > read_manifest(members["sasrec"]).metrics["ndcg@10"]
    assert manifest.max_length == CONFIG.network.max_length
    check_golden(bundle)


def test_it_is_made_again_from_the_tables_alone(bundle: Path, tmp_path: Path) -> None:
    config = json.loads(json.dumps(read_manifest(bundle).config))
    blend_again(tmp_path, data()[0], config, Path)
    assert bundle_hash(tmp_path) == bundle_hash(bundle)


def test_a_refit_refits_each_member_and_keeps_the_weights(bundle: Path, tmp_path: Path) -> None:
    judged, known = data()
    write_refit(tmp_path, bundle, known)
    twin, refit = read_manifest(bundle), read_manifest(tmp_path)
    assert (refit.trained_on, refit.twin) == (EVERYTHING, bundle_hash(bundle))
    assert refit.code_version == refit_code(BLEND) and refit.trained_until
    assert refit.metrics == twin.metrics
    assert refit.config == twin.config
    moving = [open_scorer(folder) for folder in (bundle, tmp_path)]
    if RecentPopularity.architecture in twin.config[WEIGHTS]:
        judged_prior, prior = (blended.prior for blended in moving if isinstance(blended, Blend))
        assert judged_prior and prior and judged_prior.newest_ms < prior.newest_ms
    for name in refit.config[WEIGHTS]:
        member = read_manifest(tmp_path / MEMBERS_FOLDER / name)
        assert (member.trained_on, member.twin) == (EVERYTHING, bundle_hash(bundle / MEMBERS_FOLDER / name))
    trial = try_refit(tmp_path, bundle, judged.split.test, 0.0)
    assert not trial.faults and trial.ndcg > trial.twin_ndcg


def test_the_prior_stands_for_the_plays_that_were_learned_from(
    members: dict[str, Path],
) -> None:
    """Its weight is that of all plays by their age; numbers that only count are no times, and give none."""
    judged = data()[0]
    recent = RecentPopularity.load(members["recent_popularity"])
    prior, times = recent.prior, judged.facts.times
    assert prior is not None and times is not None
    assert prior.newest_ms == times.max() * 1000
    assert prior.half_life_ms == pytest.approx(recent.half_life * np.ptp(times) * 1000)
    wanted = ~judged.split.train.repeated
    ages = (times.max() - times)[wanted] * 1000
    assert prior.plays == pytest.approx((0.5 ** (ages / prior.half_life_ms)).sum(), abs=0.01)
    only_counted = replace(judged.facts, units_a_second=None)
    assert recent.refit(judged.split.train, only_counted).prior is None


def test_where_nothing_helps_there_is_no_blend(members: dict[str, Path], tmp_path: Path) -> None:
    judged = data()[0]
    none = replace(judged.split.validation.rows(np.empty(0, np.int64)))
    without: TrainingData = replace(judged, split=replace(judged.split, validation=none))
    with pytest.raises(NoBlendError, match="no validation plays"):
        write_blend(tmp_path, *parts(members), without)


def ask(home: Home, training: Training, tables: TrainingData, patch: pytest.MonkeyPatch) -> dict[str, object]:
    """Materialize the asset with these tables; what it says."""
    patch.setattr(blend_asset, "load_training_data", lambda lake, source: tables)
    patch.setattr(blend_asset, "register", lambda tracking, name, made_from, folder: f"of {name}")
    patch.setattr(Home, "tracking", lambda home: None)
    made = blend(home=home, source=Source(), training=training)
    assert isinstance(made, dg.MaterializeResult) and made.metadata is not None
    return dict(made.metadata)


def test_the_asset_makes_a_candidate_and_a_setting_takes_it_back(
    members: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, tables = Home(path=str(tmp_path)), data()[0]
    for name, folder in members.items():
        home.bundles().publish(name, "made", lambda to, folder=folder: _copy(folder, to))
    one = Training(candidates=["sasrec"], blend="one")
    told = ask(home, one, tables, monkeypatch)
    assert told["blended"] == "yes" and told["registered version"] == "of blend"
    assert ask(home, one, tables, monkeypatch)["bundle hash"] == told["bundle hash"]
    assert candidates(home, one, tables) == ["sasrec", BLEND]
    off = Training(candidates=["sasrec"], blend="no")
    assert ask(home, off, tables, monkeypatch) == {"blended": "no: NEXTPLAY_BLEND=no"}
    named = ask(home, Training(candidates=["sasrec"]), tables, monkeypatch)
    assert named == {"blended": "no: NEXTPLAY_CANDIDATES names other networks; NEXTPLAY_BLEND=one adds it"}
    assert candidates(home, off, tables) == candidates(home, one, tables) == ["sasrec"]
    few = replace(tables.split, validation=tables.split.validation.rows(np.arange(1)))
    worse = replace(tables, split=few, fingerprint="another day's")
    assert "no validation plays" in str(ask(home, one, worse, monkeypatch)["blended"])


def candidates(home: Home, training: Training, tables: TrainingData) -> list[str]:
    there = entrants(home, Source(name="table"), training, tables.items, None)
    return [entrant.model for entrant in there if entrant.role == "candidate"]


def _copy(folder: Path, to: Path) -> None:
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())


def test_the_best_networks_are_tried_one_by_one_or_blended_together(
    members: dict[str, Path], tmp_path: Path
) -> None:
    home = Home(path=str(tmp_path))
    store = home.bundles()
    for name, ndcg in (("gru4rec", 0.9), ("sasrec", 0.1), ("hstu", 0.5)):
        folder = store.publish(name, "made", lambda to: _copy(members["sasrec"], to))
        manifest = json.loads((folder / "manifest.json").read_text())
        (folder / "manifest.json").write_text(json.dumps(manifest | {"metrics": {"ndcg@10": ndcg}}))

    def tried(**settings: Any) -> list[list[str]]:
        return [list(some) for some in blended_networks(store, Training(**settings))]

    three = ["sasrec", "gru4rec", "hstu"]
    assert tried(candidates=three[:2]) == [["gru4rec"], ["sasrec"]]
    assert tried(candidates=three) == [["gru4rec"], ["hstu"]]
    assert tried(candidates=three, blend="all") == [["gru4rec", "hstu", "sasrec"]]
    assert tried(candidates=["sasrec"]) == [["sasrec"]]


def test_of_two_networks_the_bundle_holds_the_one_whose_blend_is_better(
    members: dict[str, Path], tmp_path: Path
) -> None:
    judged = data()[0]
    (tmp_path / "hstu").mkdir()
    write_candidate(tmp_path / "hstu", "hstu", judged, CONFIG.with_changes(epochs=1, warmup_steps=1))
    networks, baselines = parts(members)
    networks.append({"hstu": tmp_path / "hstu"})
    alone = {}
    for some in networks:
        (name,) = some
        with suppress(NoBlendError):
            write_blend(tmp_path / f"of-{name}", [some], baselines, judged)
            alone[name] = tmp_path / f"of-{name}"
    best = max(alone, key=lambda name: read_manifest(alone[name]).metrics["ndcg@10"])
    write_blend(tmp_path / "blend", networks, baselines, judged)
    assert len(alone) > 1 and bundle_hash(tmp_path / "blend") == bundle_hash(alone[best])
    blend_again(tmp_path / "again", judged, json.loads(json.dumps(read_manifest(alone[best]).config)), Path)
    assert bundle_hash(tmp_path / "again") == bundle_hash(alone[best])


def test_a_blend_is_made_by_code_of_its_own() -> None:
    assert code_of(BLEND) not in {code_of(name) for name in ("sasrec", *BASELINES)}
    assert code_of("sasrec") == candidate_code() and code_of("ease") == baseline_code("ease")
