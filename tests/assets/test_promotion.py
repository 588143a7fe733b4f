"""Promotion is last, idempotent, and can be taken back; a crash on the way leaves the old champion."""

import json
from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest

from assets.champions import Champions
from assets.gating import gate
from assets.promotion import PromotionError, promotion, rollback
from assets.resources import Gate, Home
from models.bundle import read_manifest
from models.pointer import Pointer, read_pointer


def materialize(asset, home: Home) -> dg.ExecuteInProcessResult:
    resources = {"home": home, "gate_policy": Gate()}
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([asset], instance=instance, resources=resources, raise_on_error=False)


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_promoting_the_same_winner_again_changes_nothing(copied_run: Callable[[], Home]) -> None:
    home = copied_run()
    before = home.pointer_file.read_bytes()
    assert materialize(promotion, home).success
    assert home.pointer_file.read_bytes() == before


def test_the_pointer_names_the_baselines_that_the_champion_beat(copied_run: Callable[[], Home]) -> None:
    home = copied_run()  # a copy, so that the paths have to hold in another place
    pointer = read_pointer(home.pointer_file)
    champion = read_manifest(pointer.folder(home.pointer_file))
    folders = pointer.baseline_folders(home.pointer_file)
    assert set(folders) == {"popularity", "markov"} - {champion.architecture}
    for name, folder in folders.items():
        assert folder.is_relative_to(home.path)
        baseline = read_manifest(folder)
        assert (baseline.architecture, baseline.vocabulary_hash) == (name, champion.vocabulary_hash)


def test_a_crash_between_alias_and_pointer_leaves_the_old_champion_and_the_next_run_finishes(
    copied_run: Callable[[], Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copied_run()
    winner = read_pointer(home.pointer_file)
    old = replace(winner, bundle_hash="0" * 64, version="old")
    home.pointer_file.write_text(old.to_json())

    def crash(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Champions, "crown", crash)
        assert not materialize(promotion, home).success
    assert read_pointer(home.pointer_file) == old
    assert materialize(promotion, home).success
    now = read_pointer(home.pointer_file)
    assert (now.version, now.bundle_hash) == (winner.version, winner.bundle_hash)
    assert home.champions().past() == [old]


def test_a_bento_that_did_not_answer_for_the_winner_blocks(copied_run: Callable[[], Home]) -> None:
    home = copied_run()
    current = json.loads((home.folder("bundles") / "current.json").read_text())
    winner = next(name for name, f in current.items() if f in read_pointer(home.pointer_file).bundle)
    other = next(name for name in current if name != winner)
    current[winner] = current[other]
    (home.folder("bundles") / "current.json").write_text(json.dumps(current))
    before = home.pointer_file.read_bytes()
    assert not materialize(promotion, home).success
    assert home.pointer_file.read_bytes() == before


def test_rollback_sets_the_champion_before_this_one_back(copied_run: Callable[[], Home]) -> None:
    home = copied_run()
    first = read_pointer(home.pointer_file)
    other = next(
        folder
        for folder in home.folder("bundles").iterdir()
        if folder.is_dir() and folder.name not in first.bundle
    )
    second = Pointer(str(other), home.tracking().version_of(first.bundle_hash), "1" * 64, 1.0)
    home.champions().crown(second, {})
    assert read_pointer(home.pointer_file).folder(home.pointer_file) == other.resolve()
    back = rollback(home)
    assert (back.bundle_hash, back.version) == (first.bundle_hash, first.version)
    assert read_pointer(home.pointer_file).bundle_hash == first.bundle_hash
    assert home.tracking().champion() == first.version
    assert home.champions().past() == []
    assert [r.pointer.bundle_hash for r in home.champions().history()] == [
        p.bundle_hash for p in (first, second, first)
    ]
    assert home.champions().history()[-1].tables == home.champions().history()[0].tables != {}


def test_rollback_without_an_earlier_champion_is_one_sentence(copied_run: Callable[[], Home]) -> None:
    with pytest.raises(PromotionError, match="no earlier champion"):
        rollback(copied_run())


def test_the_second_night_finds_nothing_to_promote(copied_run: Callable[[], Home]) -> None:
    """The leaderboard knows the champion now; the candidate or baseline that won is it already."""
    from assets.evaluation import leaderboard
    from assets.resources import Source, Training

    home = copied_run()
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [leaderboard, gate, promotion],
            instance=instance,
            resources={
                "home": home,
                "gate_policy": Gate(),
                "source": Source(sample_size="tiny"),
                "training": Training(),
            },
        )
    told = {
        event.asset_key.to_user_string(): event.materialization.metadata
        for event in done.get_asset_materialization_events()
    }
    assert told["gate"]["promote"].value is False, told["gate"]["verdict"].value
    assert told["promotion"]["promoted"].value is False


def test_a_broken_champion_is_said_so_and_replaced(copied_run: Callable[[], Home]) -> None:
    from assets.evaluation import leaderboard
    from assets.resources import Source, Training

    home = copied_run()
    pointer = read_pointer(home.pointer_file)
    home.pointer_file.write_text(replace(pointer, bundle="../bundles/gone", bundle_hash="2" * 64).to_json())
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [leaderboard, gate],
            instance=instance,
            resources={
                "home": home,
                "gate_policy": Gate(),
                "source": Source(sample_size="tiny"),
                "training": Training(),
            },
        )
    verdict = done.asset_materializations_for_node("gate")[0].metadata
    assert verdict["promote"].value is True
    assert "broken" in str(verdict["verdict"].value) or "could not be" in str(verdict["verdict"].value)


def test_an_override_needs_both_a_reason_and_a_name(copied_run: Callable[[], Home]) -> None:
    home = copied_run()

    def run(config: dict[str, str]) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [gate],
                instance=instance,
                resources={"home": home, "gate_policy": Gate()},
                run_config={"ops": {"gate": {"config": config}}},
                raise_on_error=False,
            )

    assert not run({"override_by": "Ada"}).success
    done = run({"override_by": "Ada", "override_reason": "the old one shows withdrawn games"})
    assert done.success
    assert "withdrawn games" in str(metadata(done)["verdict"])
