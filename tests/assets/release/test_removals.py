"""Retention decides from names; whatever there is, nothing that somebody may still need goes."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.release.removals import Bundle, Crowned, Inventory, removals

patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ARCHITECTURES = ("gru4rec", "sasrec", "markov")


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    """Some nights: each made a bundle an architecture and new tables, and some made a champion."""
    nights = draw(st.integers(1, 12))
    bundles, champions, past, now = [], [], [], None
    for night in range(nights):
        inputs = frozenset({("sequences", f"s{night}"), ("items", f"i{night}")})
        made = [
            Bundle(
                f"{a}-{night}",
                a,
                f"{a}#{night}",
                draw(st.none() | st.just(10 * night + i)),
                inputs,
            )
            for i, a in enumerate(ARCHITECTURES)
        ]
        bundles += made
        for promoted in draw(st.lists(st.sampled_from(bundles), max_size=2)):
            tables = promoted.inputs | {("interactions", f"n{night}")}
            baselines = frozenset({f"markov-{night}"})
            twin = draw(st.sampled_from(bundles)).name
            champions.append(Crowned(promoted.digest, promoted.name, baselines, f"b{night}", tables, twin))
            past = [*(d for d in past if d not in (now, promoted.digest)), *([now] if now else [])]
            now = promoted.digest
    registered = {str(b.number): b.digest for b in bundles if b.number is not None}
    tables = {t: [f"{t[0]}{n}" for n in range(nights)] for t in ("sequences", "items")}
    tables["interactions"] = [f"n{n}" for n in range(nights)]
    return Inventory(
        bundles=bundles,
        current_bundles=frozenset(b.name for b in draw(st.lists(st.sampled_from(bundles), max_size=3))),
        champions=champions,
        now=now,
        past=past,
        alias=draw(st.none() | st.sampled_from([b.digest for b in bundles])),
        registered=registered,
        tables=tables,
        published={table: draw(st.sampled_from(versions)) for table, versions in tables.items()},
        checkpoints=draw(st.permutations([b.name for b in bundles] + ["sasrec-unfinished"])),
        bentos=[f"b{night}" for night in range(nights)],
        answered_bento=f"b{nights - 1}",
        anchor=draw(st.just("") | st.sampled_from([b.name for b in bundles])),
        reports=[f"r{night}" for night in range(nights)],
        current_report=draw(st.sampled_from([f"r{night}" for night in range(nights)])),
        runs={f"run {version}": [version] for version in registered} | {"killed": []},
        reproduced=[str(night) for night in range(nights)],
        ranks=[
            f"{a}-{night:016x}-{trial}.npy"
            for night in range(nights)
            for a in ARCHITECTURES
            for trial in (0, 4)
        ],
        as_served=[f"cut {night}" for night in range(nights)],
    )


@patient
@given(inventories(), st.integers(1, 5), st.none() | st.integers(3, 5))
def test_what_somebody_needs_stays(there: Inventory, candidates: int, champions: int | None) -> None:
    gone = removals(there, candidates, champions)
    crowned = list({c.digest: c for c in reversed(there.champions)}.values())  # newest first
    last = crowned if champions is None else crowned[:champions]
    needed = {there.now, there.alias, *there.past[-3:], *(c.digest for c in last)}
    for one in there.champions:
        if one.digest in needed:
            assert not {one.bundle, one.twin} & set(gone.bundles) and one.baselines.isdisjoint(gone.bundles)
            assert one.tables.isdisjoint(gone.tables) and one.bento not in gone.bentos
    assert there.current_bundles.isdisjoint(gone.bundles) and there.anchor not in gone.bundles
    assert not {there.registered[version] for version in gone.registered} & (needed - {None})
    kept = [bundle for bundle in there.bundles if bundle.name not in gone.bundles]
    for bundle in kept:  # a bundle that stays can be promoted and reproduced
        assert bundle.inputs.isdisjoint(gone.tables)
        assert str(bundle.number) not in gone.registered
    for architecture in ARCHITECTURES:
        of = [b for b in kept if b.architecture == architecture]
        assert len(of) >= min(candidates, sum(b.architecture == architecture for b in there.bundles))
    assert not set(there.published.items()) & set(gone.tables)
    assert there.answered_bento not in gone.bentos and there.current_report not in gone.reports
    assert "sasrec-unfinished" not in gone.checkpoints  # a training that was killed goes on from it
    for run in gone.runs:
        assert set(there.runs[run]) <= set(gone.registered)


@pytest.mark.slow
@patient
@given(inventories(), st.integers(1, 5), st.none() | st.integers(3, 5))
def test_nothing_more_goes_when_it_is_done_again(
    there: Inventory, candidates: int, champions: int | None
) -> None:
    gone = removals(there, candidates, champions)
    left = Inventory(
        **vars(there)
        | {
            "bundles": [b for b in there.bundles if b.name not in gone.bundles],
            "registered": {v: d for v, d in there.registered.items() if v not in gone.registered},
            "tables": {
                t: [v for v in versions if (t, v) not in gone.tables] for t, versions in there.tables.items()
            },
            "checkpoints": [c for c in there.checkpoints if c not in gone.checkpoints],
            "bentos": [b for b in there.bentos if b not in gone.bentos],
            "reports": [r for r in there.reports if r not in gone.reports],
            "runs": {run: v for run, v in there.runs.items() if run not in gone.runs},
            "reproduced": [r for r in there.reproduced if r not in gone.reproduced],
            "ranks": [r for r in there.ranks if r not in gone.ranks],
            "as_served": [a for a in there.as_served if a not in gone.as_served],
        }
    )
    assert len(removals(left, candidates, champions)) == 0


def test_disk_use_is_bounded_by_what_is_kept() -> None:
    nights = range(100)
    inputs = [frozenset({("sequences", f"s{n}")}) for n in nights]
    bundles = [Bundle(f"sasrec-{n}", "sasrec", f"#{n}", n, inputs=inputs[n]) for n in nights]
    champions = [Crowned(f"#{n}", f"sasrec-{n}", tables=inputs[n]) for n in nights[::10]]
    there = Inventory(
        bundles=bundles,
        champions=champions,
        now="#90",
        registered={str(n): f"#{n}" for n in nights},
        tables={"sequences": [f"s{n}" for n in nights]},
        published={"sequences": "s99"},
    )
    assert len(removals(there, 7, None).bundles) == 100 - 7 - 10
    assert len(removals(there, 7, 3).bundles) == 100 - 7 - 3
    assert len(removals(there, 7, 3).tables) == 100 - 7 - 3


def test_what_searches_reproductions_and_measurements_leave_is_bounded() -> None:
    studies = [f"{a}-{n:016x}" for n in range(20) for a in ("sasrec", "two_towers")]
    there = Inventory(
        ranks=[f"{study}-{trial}.npy" for study in studies for trial in (0, 7)],
        reproduced=[str(n) for n in range(20)],
        as_served=[f"2026-01-{n:02d}" for n in range(1, 21)],
    )
    gone = removals(there, 3, None)
    assert set(there.ranks) - set(gone.ranks) == {f"{s}-{t}.npy" for s in studies[-6:] for t in (0, 7)}
    assert gone.reproduced == there.reproduced[:-3] and gone.as_served == there.as_served[:-3]
    assert removals(there, 1, None).reproduced == there.reproduced[:-2], "a refit is made again from its twin"
    old_best_again = replace(there, ranks=[*there.ranks, f"{studies[0]}-9.npy"])
    assert f"{studies[0]}-0.npy" not in removals(old_best_again, 3, None).ranks, "a search that went on"
