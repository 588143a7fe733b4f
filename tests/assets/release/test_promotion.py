"""Promotion is last, idempotent, and can be taken back; a crash on the way leaves the old champion."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.evaluation.gate import gate, read_verdict
from assets.evaluation.leaderboard import leaderboard
from assets.release.bento import bento
from assets.release.promotion import PromotionError, promotion, rollback
from assets.resources import Gate, Home, Source, Training
from assets.state.champions import Champions
from assets.state.files import replace_text
from assets.state.lake import write_parquet
from models.bundle.bundle import bundle_hash, read_manifest
from serving.state.pointer import Pointer, read_pointer
from tests.support.homes import materialize, metadata


def attempt(asset: dg.AssetsDefinition, home: Home) -> dg.ExecuteInProcessResult:
    return materialize(home, asset, must_succeed=False, gate_policy=Gate())


def judge(home: Home, *more: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """The leaderboard and the gate's verdict once more."""
    settings = {"gate_policy": Gate(), "source": Source(sample_size="tiny"), "training": Training()}
    return materialize(home, leaderboard, gate, *more, **settings)


def refusal(result: dg.ExecuteInProcessResult) -> str:
    """What the one step that failed says."""
    (event,) = (event for event in result.all_events if event.is_step_failure)
    return event.step_failure_data.error.cause.message


def broken(home: Home) -> Pointer:
    """A champion that the gate replaces: what its folder holds is not what it names."""
    now = read_pointer(home.pointer_file)
    winner = now.folder(home.pointer_file)
    other = next(folder for folder in home.bundles().folders() if folder != winner)
    return Pointer(str(other), now.version, "1" * 64, time.time())


def test_promoting_the_same_winner_again_changes_nothing(home: Home) -> None:
    before = home.pointer_file.read_bytes()
    assert attempt(promotion, home).success
    assert home.pointer_file.read_bytes() == before


def test_the_pointer_names_the_baselines_that_the_champion_beat(home: Home) -> None:
    """Also in a copy of the home, so that the paths hold in another place."""
    pointer = read_pointer(home.pointer_file)
    champion = read_manifest(pointer.folder(home.pointer_file))
    folders = pointer.baseline_folders(home.pointer_file)
    assert set(folders) == {"popularity", "markov"} - {champion.architecture}
    for name, folder in folders.items():
        assert folder.is_relative_to(home.path)
        baseline = read_manifest(folder)
        assert (baseline.architecture, baseline.vocabulary_hash) == (name, champion.vocabulary_hash)


@pytest.mark.slow
def test_a_crash_between_alias_and_pointer_leaves_the_old_champion_and_the_next_run_finishes(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    winner = read_pointer(home.pointer_file)
    old = replace(winner, bundle_hash="0" * 64, version="old")
    home.pointer_file.write_text(old.to_json())
    judge(home)

    def crash(*_: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Champions, "crown", crash)
        assert not attempt(promotion, home).success
    assert read_pointer(home.pointer_file) == old
    assert attempt(promotion, home).success
    now = read_pointer(home.pointer_file)
    assert (now.version, now.bundle_hash) == (winner.version, winner.bundle_hash)
    assert home.champions().past() == [old]


@pytest.mark.slow
def test_a_crash_just_before_the_pointer_is_finished_by_the_next_run(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The history names the winner already then, and it is not champion yet."""
    winner = read_pointer(home.pointer_file).bundle_hash
    old = broken(home)
    home.champions().crown(old, {})
    judge(home)

    def crash(path: Path, text: str) -> None:
        if path.name == "pointer.json":
            raise RuntimeError("power cut")
        replace_text(path, text)

    with monkeypatch.context() as patched:
        patched.setattr("assets.state.change.replace_text", crash)
        assert "power cut" in refusal(attempt(promotion, home))
    assert read_pointer(home.pointer_file).bundle_hash == old.bundle_hash
    assert attempt(promotion, home).success
    assert read_pointer(home.pointer_file).bundle_hash == winner
    reigns = [reign.pointer.bundle_hash for reign in home.champions().history()]
    assert reigns == [winner, old.bundle_hash, winner]


def test_a_bento_that_did_not_answer_for_the_winner_blocks(home: Home) -> None:
    current = json.loads((home.folder("bundles") / "current.json").read_text())
    winner = next(name for name, f in current.items() if f in read_pointer(home.pointer_file).bundle)
    other = next(name for name in current if name != winner)
    current[winner] = current[other]
    (home.folder("bundles") / "current.json").write_text(json.dumps(current))
    before = home.pointer_file.read_bytes()
    assert not attempt(promotion, home).success
    assert home.pointer_file.read_bytes() == before


@pytest.mark.parametrize("asset", [bento, promotion])
def test_a_champion_that_was_set_after_the_verdict_stays(asset, home: Home) -> None:
    home.champions().crown(broken(home), {})  # as by hand, between a failed night and its retry
    before = home.pointer_file.read_bytes()
    result = attempt(asset, home)
    assert "judged against: materialize leaderboard and gate again." in refusal(result)
    assert home.pointer_file.read_bytes() == before


@pytest.mark.slow
def test_promotion_alone_does_not_undo_a_rollback(home: Home) -> None:
    winner = read_pointer(home.pointer_file)
    other = home.bundles().current("popularity")
    digest = bundle_hash(other)
    home.champions().crown(Pointer(str(other), home.tracking().version_of(digest), digest, time.time()), {})
    judge(home)
    assert attempt(promotion, home).success
    assert read_pointer(home.pointer_file).bundle_hash == winner.bundle_hash
    back = rollback(home)
    result = attempt(promotion, home)
    assert "judged against: materialize leaderboard and gate again." in refusal(result)
    assert read_pointer(home.pointer_file).bundle_hash == back.bundle_hash
    judge(home)
    assert attempt(promotion, home).success
    assert read_pointer(home.pointer_file).bundle_hash == winner.bundle_hash


@pytest.mark.parametrize("asset", [bento, promotion])
def test_a_winner_that_was_trained_again_after_the_verdict_is_not_promoted(asset, home: Home) -> None:
    winner, before = read_verdict(home).winner, home.pointer_file.read_bytes()

    def write(folder: Path) -> None:
        shutil.copytree(home.bundles().current(winner), folder, dirs_exist_ok=True)
        (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + "\n")

    home.bundles().publish(winner, "0" * 64, write)
    result = attempt(asset, home)
    told = f"The bundle of {winner} is not the one that was judged: materialize leaderboard and gate again."
    assert told in refusal(result)
    assert home.pointer_file.read_bytes() == before


@pytest.mark.parametrize("asset", [bento, promotion])
def test_a_verdict_that_somebody_has_edited_promotes_none(asset, home: Home) -> None:
    """Whoever writes another winner into the file has the right to do so, and make promote to do it with."""
    before, file = home.pointer_file.read_bytes(), home.lake().current("gate").path
    (row,) = pq.read_table(file).to_pylist()
    other = next(name for name in ("popularity", "markov") if name != row["winner"])
    edited = row | {"winner": other, "winner_hash": bundle_hash(home.bundles().current(other))}
    pq.write_table(pa.Table.from_pylist([edited], pq.read_schema(file)), file)
    told = "The table 'gate' is not what was written: materialize the asset 'gate' again."
    assert told in refusal(attempt(asset, home))
    assert home.pointer_file.read_bytes() == before


def test_a_verdict_of_earlier_code_which_names_no_bundle_promotes_none(
    home: Home,
) -> None:
    named = "winner_hash, champion_hash, champion_reign"
    with home.lake().connect("gate") as connection:
        rows = f"SELECT * EXCLUDE ({named}) FROM gate"
        home.lake().publish("gate", "0" * 64, lambda path: write_parquet(connection, rows, path))
    assert "materialize leaderboard and gate again" in refusal(attempt(promotion, home))


@pytest.mark.slow
def test_the_verdict_names_the_bundle_and_the_champion_that_it_judged(
    home: Home,
) -> None:

    def names() -> tuple[str, str, int]:
        with home.lake().connect("gate") as connection:
            return connection.execute(
                "SELECT winner_hash, champion_hash, champion_reign FROM gate"
            ).fetchone()

    winner = bundle_hash(home.bundles().current(read_verdict(home).winner))
    assert names() == (winner, "", 0)
    home.champions().crown(broken(home), {})
    judge(home)
    assert names() == (winner, "1" * 64, 2)


def test_rollback_sets_the_champion_before_this_one_back(home: Home) -> None:
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


def test_a_champion_from_before_the_clock_was_moved_back_counts_as_there(tmp_path: Path) -> None:
    champions = Champions(tmp_path / "pointer.json")
    now = time.time()
    for promoted_at in (now - 50, now + 1e6):
        champions.crown(Pointer(str(tmp_path), "1", str(promoted_at), promoted_at), {})
    assert champions.incumbent_at(now) == champions.incumbent()
    champions.crown(Pointer(str(tmp_path), "3", "3", now), {})
    assert champions.incumbent_at(now - 1).reign == champions.incumbent().reign - 1 == 2


def test_rollback_without_an_earlier_champion_is_one_sentence(home: Home) -> None:
    with pytest.raises(PromotionError, match="no earlier champion"):
        rollback(home)


def test_the_second_night_finds_nothing_to_promote(home: Home) -> None:
    """The leaderboard knows the champion now; the candidate or baseline that won is it already."""
    done = judge(home, promotion)
    verdict = metadata(done, "gate")
    assert verdict["promote"] is False, verdict["verdict"]
    assert metadata(done, "promotion")["promoted"] is False


@pytest.mark.slow
def test_a_broken_champion_is_said_so_and_replaced(home: Home) -> None:
    pointer = read_pointer(home.pointer_file)
    home.pointer_file.write_text(replace(pointer, bundle="../bundles/gone", bundle_hash="2" * 64).to_json())
    verdict = metadata(judge(home), "gate")
    assert verdict["promote"] is True
    assert "broken" in str(verdict["verdict"]) or "could not be" in str(verdict["verdict"])


def test_an_override_needs_both_a_reason_and_a_name(home: Home) -> None:

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
    assert "withdrawn games" in str(metadata(done, "gate")["verdict"])
