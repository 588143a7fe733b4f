"""Releases of the catalogue that nobody plays: in the vocabulary where that is set, and offered as new."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.resources import Cleaning, Home, Splitting
from assets.sequences import sequences
from assets.sequences.loading import TABLES, load_items
from assets.training.bundling import data_fingerprint, input_tables
from models.baselines import Content, Facts, Markov, NewReleases
from models.baselines.bundles import baseline_bundle
from models.bundle.bundle import EVERYTHING, Manifest, read_items
from models.data import Sequences
from models.writing import Origin
from serving.recommender import Recommender
from tests.support.homes import rows
from tests.support.tables import publish

NEWEST = datetime(2026, 6, 30, 12, tzinfo=UTC)
CATALOGUE = [
    ("10", "Old", ["Space"], [], None, "2020-01-01"),
    ("20", "Played", ["Space"], [], None, "2026-06-15"),
    ("30", "New", ["Space"], [], None, "2026-06-01"),
    ("40", "Coming", ["Space"], [], None, "Jul 4, 2026"),
    ("50", "Forgotten", ["Space"], [], None, "2019-01-01"),
    ("60", "Undated", ["Space"], [], None, "soon"),
]


def home_of(path: Path, dated: bool = True) -> Home:
    home = Home(path=str(path))
    newest = int(NEWEST.timestamp())
    plays = [(user, item) for user in "abc" for item in ("10", "15", "20")]
    core = [
        (user, item, n % 3, 61, newest - 9_600 + 1_200 * n if dated else None)
        for n, (user, item) in enumerate(plays)
    ]
    publish(home.lake(), "core_interactions", core)
    publish(home.lake(), "catalogue", CATALOGUE)
    publish(home.lake(), "item_names", [])
    publish(home.lake(), "listed_items", [])
    return home


def materialize(home: Home, days: int) -> None:
    splitting = Splitting(split="leave-one-out", new_items=days)
    result = dg.materialize(
        [sequences.sequences, *sequences.SEQUENCES_CHECKS],
        resources={"home": home, "cleaning": Cleaning(), "splitting": splitting},
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success
    assert all(found.passed for found in result.get_asset_check_evaluations())


def test_new_releases_are_in_the_vocabulary_and_the_rest_of_the_catalogue_is_not(tmp_path: Path) -> None:
    home = home_of(tmp_path)
    materialize(home, 0)
    items, without = load_items(home.lake()), data_fingerprint(home.lake())
    assert (items.ids, items.new) == (["", "10", "15", "20"], [])
    assert rows(home, "new_items") == []
    materialize(home, 30)
    assert rows(home, "new_items") == [("30", date(2026, 6, 1)), ("40", date(2026, 7, 4))]
    items = load_items(home.lake())
    assert (items.ids, items.new) == (["", "10", "15", "20", "30", "40"], [4, 5])
    assert items.counts.tolist()[4:] == [0, 0]
    wanted = data_fingerprint(home.lake())
    assert wanted != without
    for fingerprint in (wanted, without):
        manifest = Manifest("markov", 5, 0, "", fingerprint, "", "table", "leave-one-out")
        assert set(input_tables(home.lake(), manifest)) == set(TABLES)


def test_undated_plays_have_no_new_releases(tmp_path: Path) -> None:
    home = home_of(tmp_path, dated=False)
    materialize(home, 30)
    assert rows(home, "new_items") == [] and load_items(home.lake()).new == []


@pytest.fixture(scope="module")
def with_releases(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with new releases in its vocabulary, for reading alone."""
    home = home_of(tmp_path_factory.mktemp("home"))
    materialize(home, 30)
    return home


@pytest.mark.parametrize(("kind", "offers"), [(Markov, False), (Content, True), (NewReleases, True)])
def test_the_endpoint_offers_them_where_the_model_knows_their_content(
    kind: Any, offers: bool, with_releases: Home, tmp_path: Path
) -> None:
    items = load_items(with_releases.lake())
    train = Sequences.from_lists([[1, 2], [3]], items.n_items)
    items = replace(items, counts=train.counts())
    times = int(NEWEST.timestamp()) - np.array([9, 5, 0])
    facts = Facts(items.ids, times, exclude_seen=False, items=items, units_a_second=1)
    origin = Origin("d", "c", "table", "temporal", exclude_seen=False, trained_on=EVERYTHING)
    baseline_bundle(tmp_path / "bundle", kind.fit(train, None, facts), items, origin, {})
    assert read_items(tmp_path / "bundle").new == [4, 5]
    model = Recommender(tmp_path / "bundle")
    for day, there in (("2026-07-01", {"30"}), ("2026-07-05", {"30", "40"})):
        asked = int(np.datetime64(day, "ms").astype(np.int64))
        found = {one.item_id for one in model.recommend(["10"], 5, asked_ms=asked).items}
        assert found == {"10", "15", "20"} | (there if offers else set())
