"""Whether seen items are answers: by the share of repeats, unless the setting says it."""

from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.resources import Cleaning, Home, Splitting
from assets.sequences import sequences
from assets.sequences.loading import load_split
from assets.sequences.seen import COMMON, SMALL_CATALOGUE
from assets.training.bundling import data_fingerprint, input_tables, load_training_data
from models.bundle.bundle import Manifest
from tests.support.tables import publish

ITEMS = [f"i{n:02}" for n in range(SMALL_CATALOGUE + 1)]


def made(folder: Path, users: dict[str, list[str]], exclude_seen: str = "auto") -> Home:
    home = Home(path=str(folder))
    core = [(user, item, n, 61, None) for user, items in users.items() for n, item in enumerate(items)]
    publish(home.lake(), "core_interactions", core)
    publish(home.lake(), "catalogue", [("i00", "A")])
    publish(home.lake(), "item_names", [("i00", "a")])
    materialize(home, exclude_seen)
    return home


def materialize(home: Home, exclude_seen: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [sequences.sequences],
        resources={
            "home": home, "cleaning": Cleaning(), "splitting": Splitting(exclude_seen=exclude_seen)
        },
        instance=dg.DagsterInstance.ephemeral(),
    )  # fmt: skip


def repeating(later: int, repeats: int, n_items: int = len(ITEMS)) -> dict[str, list[str]]:
    """A user for each item with 3 plays or more; of all plays after the first ones so many are repeats."""
    plays = {"u": [*ITEMS[:n_items]]}
    plays["u"] += [ITEMS[0]] * repeats
    plays |= {f"v{n}": [ITEMS[n % n_items], ITEMS[(n + 1) % n_items]] for n in range(later)}
    return plays


def share(users: dict[str, list[str]]) -> float:
    """Of the plays after a user's first, those of an item that the user had, counted one by one."""
    later = [(items[:n], item) for items in users.values() for n, item in enumerate(items) if n]
    return sum(item in before for before, item in later) / len(later)


@pytest.mark.parametrize(
    ("users", "setting", "excluded", "why"),
    [
        (repeating(0, 0), "auto", True, "no repeats"),
        (repeating(16, 4), "auto", False, "a tenth"),
        (repeating(17, 4), "auto", True, "just below a tenth"),
        (repeating(0, 20), "auto", False, "many"),
        (repeating(0, 20, SMALL_CATALOGUE), "auto", True, "a list of ten is half of the catalogue"),
        (repeating(0, 20), "yes", True, "said"),
        (repeating(0, 20, SMALL_CATALOGUE), "no", False, "said"),
        (repeating(0, 0), "no", False, "said"),
    ],
)
def test_the_data_decide_unless_the_setting_does(
    tmp_path: Path, users: dict[str, list[str]], setting: str, excluded: bool, why: str
) -> None:
    home = made(tmp_path, users, setting)
    row = pq.read_table(home.lake().current("split").path).to_pylist()[0]
    assert row["exclude_seen"] is excluded, why
    assert row["repeated_share"] == pytest.approx(share(users))
    if setting == "auto" and len({item for items in users.values() for item in items}) > SMALL_CATALOGUE:
        assert excluded == (share(users) < COMMON)
    split = load_split(home.lake())
    assert split.exclude_seen == split.validation.exclude_seen == split.test.exclude_seen == excluded
    data = load_training_data(home.lake(), "table")
    assert data.facts.exclude_seen == data.origin("code").exclude_seen == excluded


def test_the_decision_is_told_where_the_table_is_shown(tmp_path: Path) -> None:
    home = made(tmp_path, repeating(0, 20))
    events = materialize(home, "auto").get_asset_materialization_events()
    told = {e.asset_key.to_user_string(): e.materialization.metadata.get("seen items") for e in events}
    assert str(told["split"].value).startswith(  # type: ignore[union-attr]
        "Items that a user has played before count as answers: 50.0% of the plays after a user's first"
    )
    assert [name for name, words in told.items() if words] == ["split"]


@pytest.mark.slow
def test_bundles_of_the_two_ways_of_counting_are_two(tmp_path: Path) -> None:
    """They learn otherwise from the same sequences, and each is traced to its own tables."""
    home = made(tmp_path, repeating(0, 20), "yes")
    lake = home.lake()
    found = {}
    for setting in ("yes", "no"):
        materialize(home, setting)
        found[setting] = data_fingerprint(lake), lake.current("split").fingerprint
    (excluded, first), (allowed, second) = found.values()
    assert excluded != allowed
    for data, tables in ((excluded, first), (allowed, second)):
        manifest = Manifest("sasrec", 1, 1, "", data, "", "table", "leave-one-out")
        assert set(input_tables(lake, manifest).values()) == {tables}
    materialize(home, "auto")
    assert data_fingerprint(lake) == allowed, "what decided makes no difference"
