"""The best champion of late stays on the leaderboard as the anchor, and nights are held against it."""

import time
from dataclasses import replace

import pytest

from assets.evaluation.anchor import settle_anchor
from assets.evaluation.gate import gate, read_verdict
from assets.evaluation.leaderboard import leaderboard, leaderboard_rows
from assets.release.promotion import promotion, rollback
from assets.release.retention import inventory
from assets.resources import Gate, Home, Source, Training
from assets.state.champions import Anchor
from models.bundle.bundle import bundle_hash, read_manifest
from serving.state.pointer import Pointer
from tests.support.homes import materialize

DAYS = 86_400


def judge(home: Home, *more: object) -> None:
    settings = {"gate_policy": Gate(), "source": Source(sample_size="tiny"), "training": Training()}
    materialize(home, leaderboard, gate, *more, **settings)


def anchored(home: Home, architecture: str, days_ago: float = 0) -> str:
    """Another bundle than the champion's, kept as the anchor; its hash."""
    bundle = home.bundles().current(architecture)
    digest = bundle_hash(bundle)
    home.champions().set_anchor(Anchor(bundle.name, digest, time.time() - days_ago * DAYS))
    return digest


def other_than_champion(home: Home) -> str:
    champion = home.champions().current()
    assert champion is not None
    served = read_manifest(home.champions().folder(champion)).architecture
    return "popularity" if served != "popularity" else "markov"


def test_a_run_leaves_the_champion_as_anchor_and_does_not_compare_it_with_itself(home: Home) -> None:
    champion, anchor = home.champions().current(), home.champions().anchor()
    assert champion is not None and anchor is not None
    judged = {row["bundle_hash"] for row in leaderboard_rows(home.lake())}
    assert anchor.bundle_hash in judged and (home.folder("bundles") / anchor.bundle).is_dir()
    judge(home, promotion)
    assert "anchor" not in {row["role"] for row in leaderboard_rows(home.lake())}
    later = home.champions().anchor()
    assert later is not None and later.last_served > anchor.last_served  # its days have not begun


def test_an_anchor_that_is_not_the_champion_is_on_the_leaderboard_and_in_retention(home: Home) -> None:
    digest = anchored(home, other_than_champion(home))
    judge(home)
    (row,) = [row for row in leaderboard_rows(home.lake()) if row["role"] == "anchor"]
    assert (row["model"], row["bundle_hash"]) == ("anchor", digest)
    assert inventory(home).anchor == home.champions().anchor().bundle  # type: ignore[union-attr]


@pytest.mark.slow
def test_an_anchor_that_is_worse_than_the_champion_yields_to_it(home: Home) -> None:
    """Popularity is far below a champion on the sample: that shows on 350 users."""
    before = home.champions().anchor()
    anchored(home, other_than_champion(home), days_ago=31)
    judge(home, promotion)
    after = home.champions().anchor()
    assert before is not None and after is not None and after.bundle_hash == before.bundle_hash


@pytest.mark.slow
def test_a_damaged_anchor_is_left_out_with_a_warning(home: Home) -> None:
    home.champions().set_anchor(Anchor("gone", "2" * 64, time.time()))
    judge(home, promotion)
    assert "anchor" not in {row["role"] for row in leaderboard_rows(home.lake())}
    anchor = home.champions().anchor()
    assert anchor is not None and anchor.bundle != "gone"
    (home.pointer_file.parent / "anchor.json").write_text("{")
    assert home.champions().anchor() is None
    judge(home, promotion)
    assert home.champions().anchor() == replace(anchor, last_served=home.champions().anchor().last_served)  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_person_s_choice_is_what_later_nights_are_held_against(home: Home) -> None:
    champions = home.champions()
    first, other = champions.current(), home.bundles().current(other_than_champion(home))
    assert first is not None
    champions.crown(Pointer(str(other), first.version, bundle_hash(other), time.time()), {})
    assert champions.anchor() is not None
    rollback(home)
    assert champions.anchor() is None
    judge(home, promotion)
    found, now = champions.anchor(), champions.current()
    assert found is not None and now is not None and now.version == first.version


def test_a_verdict_of_earlier_code_names_no_anchor(home: Home) -> None:
    before = home.champions().anchor()
    settle_anchor(home, "")
    assert home.champions().anchor() == before
    assert read_verdict(home).estimates
