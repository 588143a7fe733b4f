"""A fair comparison with the champion: on plays that neither it nor tonight's candidates have learned from.

Split in time, champion and candidates are compared on the plays after the cut-offs of both.
Where too few have played since the champion's, it has an advantage, and a warning says so.
"""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assets.engines.sql import statement
from assets.evaluation.leaderboard_tables import TEST_TARGETS
from assets.resources import Home
from assets.sequences.loading import asked, excludes_seen, load_sequences, load_split, split_times
from assets.state.lake import Lake
from assets.training.bundling import input_tables
from models.bundle.bundle import BundleError, bundle_hash, read_manifest
from models.data import Holdout, Split, holdout_at
from models.evaluation.evidence import Policy
from serving.state.pointer import read_pointer


@dataclass(frozen=True, eq=False)
class Match:
    """What stands for the champion, and on which plays all models are compared."""

    champion: Path | None  # a bundle: of a champion that was refitted the one that was judged
    test: Holdout
    since: int | None = None  # the test is not that of the split but the first plays from this time on
    note: str = "the test plays of the split"


def fair_match(home: Home) -> Match:
    """The match of tonight; logs where it cannot be fair. A champion that cannot be read is left out."""
    split = load_split(home.lake())
    try:
        pointer = read_pointer(home.pointer_file)
        if pointer is None:
            return Match(None, split.test)
        champions = home.champions()
        folder, twin = champions.folder(pointer), champions.twin(pointer)
        for bundle, digest in ((folder, pointer.bundle_hash), (twin, pointer.twin_hash)):
            if bundle_hash(bundle) != digest:
                raise BundleError(f"the content of {bundle} is not what the pointer names.")
        read_manifest(folder)  # what cannot be read here would not be compared with what serves
        return _match(home, split, twin)
    except BundleError as error:
        dg.get_dagster_logger().warning("The champion cannot be evaluated: %s", error)
        return Match(None, split.test)


def _match(home: Home, split: Split, champion: Path) -> Match:
    cut, test_from = _cutoff(home, champion), split_times(home.lake())[1]
    if test_from is not None and cut is not None:
        if cut <= test_from:
            return Match(champion, split.test)
        later = _plays_after(home.lake(), cut)
        if _users(later) >= Policy.min_fair_users:
            return Match(champion, later, cut, f"the plays from {cut} on, the champion's cut-off")
    champions = read_manifest(champion).split
    if _kind(champions) != _kind(split.name):
        return _across_kinds(home, split, champion, champions)
    _warn_of_another_split(champions, split.name)
    return Match(champion, split.test)


def _across_kinds(home: Home, split: Split, champion: Path, champions: str) -> Match:
    """Of a champion that was split leave-one-out where tonight is split in time, or the other way round.

    It has learned from many of tonight's test plays, so all are compared on those that it has not. Where
    they are too few, or its data are gone, it cannot be compared, and yields to what beats the baselines.
    """
    left = _not_learned(home, split.test, champion)
    if left is not None and len(left) == len(split.test):
        return Match(champion, split.test)
    if left is not None and _users(left) >= Policy.min_fair_users:
        note = (
            f"{len(left):,} of {len(split.test):,} test plays: from the others the champion, split "
            f"{champions}, has learned"
        )
        return Match(champion, left, note=note)
    dg.get_dagster_logger().warning(
        "The champion was trained on the split %s, and tonight's is %s. It has learned from what it would be "
        "tested on, so it is no hurdle tonight: the baselines are all there is to beat.",
        champions,
        split.name,
    )
    return Match(None, split.test)


def _not_learned(home: Home, test: Holdout, champion: Path) -> Holdout | None:
    """The test plays that the champion has not learned from; None where its data are gone."""
    lake = home.lake()
    made_from = input_tables(lake, read_manifest(champion))
    kept = {
        table: next((v.path for v in lake.versions(table) if v.fingerprint == made_from.get(table)), None)
        for table in ("sequences", "items")
    }
    if None in kept.values():
        return None
    with lake.connect("sequences", "items") as connection:
        paths = {table: str(path) for table, path in kept.items()}
        found = connection.execute(statement("learned_plays"), paths).fetchnumpy()
    width = int(test.histories.lengths.max(initial=0)) + 1
    learned = found["user_index"].astype(np.int64) * width + found["position"]
    return test.rows(np.flatnonzero(~np.isin(test.users * width + test.histories.lengths, learned)))


def _kind(split: str) -> str:
    """Such as temporal of temporal (0.8,0.9)."""
    return split.partition(" ")[0]


def _users(test: Holdout) -> int:
    return len(np.unique(test.users))


def _cutoff(home: Home, champion: Path) -> int | None:
    """From which time on a model has learned nothing; None where its data have no times or are gone."""
    made_from = input_tables(home.lake(), read_manifest(champion)).get("split")
    kept = [v.path for v in home.lake().versions("split") if v.fingerprint == made_from]
    if not kept:
        return None
    cut: int | None = pq.read_table(kept[0])["test_from"][0].as_py()
    return cut


def _plays_after(lake: Lake, since: int) -> Holdout:
    sequences, _ = load_sequences(lake)
    with lake.connect("sequences", "core_interactions") as connection:
        found = connection.execute(statement("plays_after"), {"since": since}).fetchnumpy()
    exclude_seen = excludes_seen(lake.current("split"))
    later = holdout_at(sequences, found["user_index"], found["position"], exclude_seen)
    return asked(lake, sequences, later)


def target_rows(test: Holdout) -> pa.Table:
    """Which plays the models were compared on, as rows of `test_targets`, by user and position."""
    columns = {"user_index": test.users, "position": test.histories.lengths}
    order = [("user_index", "ascending"), ("position", "ascending")]
    return pa.table(columns).cast(TEST_TARGETS.schema).sort_by(order)


def first_of_each(test: Holdout) -> NDArray[np.int64]:
    """Which of the plays are the first of their users, [users]."""
    _, first = np.unique(test.users, return_index=True)
    return first.astype(np.int64)


def read_test(lake: Lake) -> Holdout:
    """The plays that the last leaderboard compared models on. Raises LakeError."""
    sequences, _ = load_sequences(lake)
    rows = pq.read_table(lake.current(TEST_TARGETS.name).path)
    users, positions = rows["user_index"].to_numpy(), rows["position"].to_numpy()
    test = holdout_at(sequences, users, positions, excludes_seen(lake.current("split")))
    return asked(lake, sequences, test)


def _warn_of_another_split(champions: str, tonights: str) -> None:
    if champions != tonights:
        dg.get_dagster_logger().warning(
            "The champion was trained on the split %s, and tonight's is %s: it may have learned from what it "
            "is tested on, so the comparison favours it.",
            champions,
            tonights,
        )
