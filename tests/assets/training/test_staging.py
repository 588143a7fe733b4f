"""A staged model: made beside its first stage, the same bytes again, refitted, and asked for by settings."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.evaluation.leaderboard import entrants
from assets.resources import Home, Source, Training
from assets.stages import ranked as asset
from assets.training import staging
from assets.training.architectures import code_of
from assets.training.bundling import write_baseline, write_candidate
from assets.training.refit import write_refit
from assets.training.staging import staged_again, staged_code, write_staged
from models.baselines import BASELINES
from models.bundle.bundle import EVERYTHING, BundleError, bundle_hash, read_manifest
from models.config import TrainConfig
from models.moment import MS_A_DAY, Moment
from models.opening import check_golden, open_scorer
from models.stages.names import COUNTED, COUNTING, FIRST, MEMBERS_FOLDER, RANKER_FILE, RULES
from models.stages.reranking import Rules
from models.stages.scorer import Staged
from tests.assets.training.test_refit import CONFIG, data

pytest.importorskip("lightgbm", reason="the extra stages is not installed")
NAME, RERANK = "two_stage", Rules(0.1, {"kind": 3}).to_dict()


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root, (judged, _) = tmp_path_factory.mktemp("parts"), data()
    (root / "two_towers").mkdir()
    settings = CONFIG.with_changes(epochs=2, warmup_steps=1, loss="sampled", negatives=32)
    write_candidate(root / "two_towers", "two_towers", judged, settings)
    for name in COUNTING:
        write_baseline(root / name, name, judged)
    return {name: root / name for name in ("two_towers", *COUNTING)}


@pytest.fixture(scope="module")
def bundle(parts: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two_stage")
    write_staged(folder, NAME, parts, data()[0], RERANK, seed=0)
    return folder


def test_a_bundle_holds_its_stages_and_says_what_they_are(bundle: Path, parts: Mapping[str, Path]) -> None:
    manifest = read_manifest(bundle)
    assert (manifest.architecture, manifest.code_version) == (NAME, staged_code()) == (NAME, code_of(NAME))
    assert (manifest.config[FIRST], manifest.config[COUNTED]) == ("two_towers", list(COUNTING))
    assert manifest.config[RULES] == RERANK
    members = {path.name: bundle_hash(path) for path in (bundle / MEMBERS_FOLDER).iterdir()}
    assert members == {name: bundle_hash(path) for name, path in parts.items()}
    assert manifest.metrics["ndcg@10"] > read_manifest(parts["two_towers"]).metrics["ndcg@10"]
    check_golden(bundle)


def test_what_is_opened_answers_as_of_the_moment(bundle: Path) -> None:
    scorer = open_scorer(bundle)
    assert isinstance(scorer, Staged) and not scorer.rules.off and len(scorer.labels[1]) == 1
    newest = scorer.stages.facts.newest
    now, then = (Moment.all_at(int(ms), 1) for ms in (newest * 60_000 + MS_A_DAY, 1_050_000_000_000))
    history = [np.array([3, 4])]
    assert np.isfinite(scorer.score(history)[0, 1:]).all()
    assert (scorer.score_at(history, now) != scorer.score_at(history, then)).any()


def test_it_is_made_again_from_the_tables_alone(
    bundle: Path, parts: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for its network, whose bytes are the same again in tests of its own."""
    told: list[object] = []

    def write(folder: Path, name: str, tables: object, config: TrainConfig, *_: object) -> None:
        told.append((name, config.to_dict()))
        folder.mkdir()
        _copied(parts[name], folder)

    monkeypatch.setattr(staging, "write_candidate", write)
    staged_again(
        tmp_path / "again", NAME, data()[0], json.loads(json.dumps(read_manifest(bundle).config)), Path
    )
    assert bundle_hash(tmp_path / "again") == bundle_hash(bundle)
    assert told == [("two_towers", read_manifest(parts["two_towers"]).config)]


def test_a_refit_makes_its_parts_anew_and_keeps_the_ranker(bundle: Path, tmp_path: Path) -> None:
    _, known = data()
    write_refit(tmp_path, bundle, known)
    twin, refit = read_manifest(bundle), read_manifest(tmp_path)
    assert (refit.trained_on, refit.twin) == (EVERYTHING, bundle_hash(bundle)) and refit.trained_until
    assert (refit.config, refit.metrics) == (twin.config, twin.metrics)
    assert (tmp_path / RANKER_FILE).read_bytes() == (bundle / RANKER_FILE).read_bytes()
    judged, new = open_scorer(bundle), open_scorer(tmp_path)
    assert isinstance(judged, Staged) and isinstance(new, Staged)
    assert new.stages.facts.counts.sum() == len(known.split.train.items) > judged.stages.facts.counts.sum()
    assert read_manifest(tmp_path / MEMBERS_FOLDER / "two_towers").trained_on == EVERYTHING
    check_golden(tmp_path)


@pytest.mark.parametrize(
    "broken", [RANKER_FILE, f"{MEMBERS_FOLDER}/item_knn/manifest.json", "weights.safetensors"]
)
def test_a_broken_part_is_named(bundle: Path, tmp_path: Path, broken: str) -> None:
    for path in bundle.rglob("*"):
        if path.is_file():
            (tmp_path / path.relative_to(bundle)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path.relative_to(bundle)).write_bytes(path.read_bytes())
    (tmp_path / broken).write_text("no such thing")
    with pytest.raises(BundleError):
        open_scorer(tmp_path)


def test_the_settings_say_whether_there_is_one(
    parts: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its first stage is trained for it, though only what is named stands on the leaderboard."""
    home, (tables, _) = Home(path=str(tmp_path)), data()
    for name, made in parts.items():
        home.bundles().publish(name, bundle_hash(made), partial(_copied, made))
    monkeypatch.setattr(asset, "load_training_data", lambda lake, source: tables)
    monkeypatch.setattr(asset, "register", lambda tracking, name, made_from, folder: f"of {name}")
    monkeypatch.setattr(Home, "tracking", lambda home: None)

    def ask(training: Training) -> Mapping[str, object]:
        made = asset.two_stage(home=home, source=Source(), training=training)
        assert isinstance(made, dg.MaterializeResult) and made.metadata is not None
        return made.metadata

    assert ask(Training()) == {"trained": "no: it is not among NEXTPLAY_CANDIDATES"}
    assert not home.bundles().has(NAME)
    named = Training(candidates=[NAME])
    assert named.networks == ["two_towers"]
    told = ask(named)
    assert told["registered version"] == "of two_stage" and "two_towers, alone" in str(told["first stage"])
    monkeypatch.setattr("assets.evaluation.leaderboard._anchor_beside", lambda home, champion: None)
    judged = [one.model for one in entrants(home, Source(name="table"), named, tables.items, None)]
    assert [name for name in judged if name not in BASELINES] == [NAME]
    assert read_manifest(home.bundles().current(NAME)).config[RULES] == Rules().to_dict()


def _copied(made: Path, folder: Path) -> None:
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
