"""The guard against a source that shrank: what it compares with, and how a loss is accepted."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.clean.accepted_source import ACCEPTED_CHECKS, accepted_source
from assets.clean.shrinking import SHRINKS, source_has_not_shrunk
from assets.resources import Cleaning, Home, Source
from assets.state.lake import fingerprint, write_parquet
from assets.training.bundling import input_tables
from models.bundle.bundle import bundle_hash, read_manifest
from serving.state.pointer import Pointer

KEEPS_ALL, KEEPS_HALF, KEEPS_A_FIFTH = 10, 5, 2  # tenths of the users


@pytest.fixture
def night(home: Home) -> Callable[..., dg.AssetCheckEvaluation]:
    """The guard on a night whose source keeps some tenths of the users."""
    whole = home.lake().current(SHRINKS).path

    @dg.asset(name=SHRINKS)
    def interactions(context: dg.AssetExecutionContext) -> None:
        tenths = int(context.run.tags["tenths"])

        def write(path: Path) -> None:
            with home.lake().connect() as connection:
                connection.from_parquet(str(whole)).create_view("whole")
                write_parquet(
                    connection,
                    "FROM whole WHERE hash(user_id) % 10 < $tenths ORDER BY ALL",
                    path,
                    {"tenths": tenths},
                )

        home.lake().publish(SHRINKS, fingerprint("of a night", tenths), write)

    def run(tenths: int, max_shrink: float = 0.3) -> dg.AssetCheckEvaluation:
        resources = {
            "home": home,
            "source": Source(name="sample"),
            "cleaning": Cleaning(max_shrink=max_shrink),
        }
        with dg.DagsterInstance.ephemeral() as instance:
            done = dg.materialize(
                [interactions, source_has_not_shrunk, accepted_source, *ACCEPTED_CHECKS],
                instance=instance, resources=resources, tags={"tenths": str(tenths)}, raise_on_error=False,
            )  # fmt: skip
        evaluations = {
            event.asset_check_evaluation_data.check_name: event.asset_check_evaluation_data
            for event in done.all_events
            if event.event_type_value == "ASSET_CHECK_EVALUATION"
        }
        guard = evaluations.pop("source_has_not_shrunk")
        assert [name for name, of in evaluations.items() if not of.passed] == []
        assert bool(evaluations) == guard.passed, "the guard blocks what comes after it"
        return guard

    return run


def crown(home: Home, name: str, tables: dict[str, str]) -> None:
    folder = home.bundles().current(name)
    pointer = Pointer(str(folder), "9", bundle_hash(folder), time.time(), "by hand", "nextplay:none")
    home.champions().crown(pointer, tables)


def other_model(home: Home) -> str:
    """A network that is not the champion."""
    champion = home.champions().whole()
    assert champion is not None
    name = read_manifest(home.champions().folder(champion)).architecture
    return "gru4rec" if name == "sasrec" else "sasrec"


def test_a_loss_that_was_accepted_once_is_accepted_until_there_is_another_champion(home: Home, night) -> None:
    assert not night(KEEPS_HALF).passed
    assert night(KEEPS_HALF, max_shrink=0.6).passed
    assert not night(KEEPS_HALF).passed, "only 1 says that all is well"
    assert night(KEEPS_HALF, max_shrink=1.0).passed
    assert night(KEEPS_HALF).passed and night(KEEPS_HALF).passed
    worse = night(KEEPS_A_FIFTH)
    assert not worse.passed and "since its size was accepted" in worse.description
    assert night(KEEPS_ALL).passed
    crown(home, other_model(home), home.lake().published())
    back = night(KEEPS_HALF)
    assert not back.passed and "since the champion was made" in back.description


@pytest.mark.slow
def test_a_champion_by_hand_is_compared_with_what_the_one_before_was_made_from(home: Home, night) -> None:
    name = other_model(home)
    tables = input_tables(home.lake(), read_manifest(home.bundles().current(name)))
    assert "sequences" in tables and SHRINKS not in tables
    crown(home, name, tables)
    assert "(" in night(KEEPS_ALL).description, "it says what it compared with"
    assert not night(KEEPS_HALF).passed
    assert night(KEEPS_HALF, max_shrink=1.0).passed and night(KEEPS_HALF).passed


def test_the_champion_before_counts_only_where_it_had_the_same_source(home: Home, night) -> None:
    first = home.champions().whole()
    assert first is not None
    crown(home, other_model(home), {})
    manifest = home.champions().folder(first) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"source": "steam"}))
    told = night(KEEPS_HALF)
    assert told.passed and told.description.endswith("is not kept.")
