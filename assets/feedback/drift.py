"""Drift: what is played and asked, day by day, against what the champion of the day learned from."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from math import isnan
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from assets.contracts import checks_of
from assets.engines.sql import statement
from assets.feedback.clock import clock
from assets.feedback.daily import days_to_make, publish_days
from assets.feedback.impressions import read_impressions, start_ms
from assets.formats.table import DAY, Table, count, flag, share, text
from assets.resources import Home, Watching
from assets.sequences.loading import read_item_table, read_sequences
from assets.shown.charts import markdown_image
from assets.shown.plots import drift_chart
from assets.shown.tables import columns_shown, table_result
from assets.state.champions import Reign
from assets.state.lake import Lake
from assets.training.bundling import input_tables
from assets.training.entrants import open_bundle
from models.bundle.bundle import BundleError, ItemTable, read_items, read_manifest
from models.evaluation.drift import Shift, compare, item_bins, length_bins, rate, score_bins
from models.evaluation.metrics import top_k

SCORED_USERS = 2_000  # of the training data, for the distribution of scores
SEED = 0
AGAIN = 2  # days that are made again: the newest may not have been over
MEASURES = ("item popularity", "history length", "scores", "unknown ids", "fallbacks")
DRIFT = Table(
    "drift",
    "Each day's plays and answers against the training data of the champion of that day.",
    (
        text("day", "UTC", matches=DAY),
        text("champion", "version that served at the end of the day"),
        text("measure", "what is compared", one_of=MEASURES),
        count("n", "plays or answers of the day that are compared", at_least=1),
        share("value", "a divergence in bits, or a share"),
        share("bound", "above which the day counts as drifted"),
        share("chance", "of a divergence: what the same number of training plays shows", nullable=True),
        share("low", "of the 95 % interval", nullable=True),
        share("high", "of the 95 % interval", nullable=True),
        flag("drifted", "surely above the bound"),
    ),
    answers=True,
)


@dg.asset(
    pool="lake",
    kinds={"duckdb", "numpy"},
    deps=["events", "all_interactions"],
    description=DRIFT.words,
    metadata=columns_shown(DRIFT),
)
def drift(context: dg.AssetExecutionContext, home: Home, watching: Watching) -> dg.MaterializeResult[None]:
    started, lake = time.monotonic(), home.lake()
    first, last = days_to_make(lake, DRIFT, context.run.tags, AGAIN)
    rows = list(drift_rows(home, watching, first, last))
    version = publish_days(lake, DRIFT, rows)
    with lake.connect("drift") as connection:
        shown = connection.sql("FROM drift ORDER BY day").to_arrow_table().to_pylist()
        plot = markdown_image(drift_chart(shown), "Drift by day") if shown else "No day to show yet."
        told = {"in words": in_words(shown), "last 30 days": dg.MetadataValue.md(plot)}
        return table_result(connection, version, started, told)


@dg.asset_check(
    asset="drift",
    description="No measure of the newest day is surely above its bound. A warning: it blocks nothing.",
)
def little_drift(home: Home) -> dg.AssetCheckResult:
    rows = newest_day(home.lake())
    return dg.AssetCheckResult(
        passed=not any(row["drifted"] for row in rows),
        severity=dg.AssetCheckSeverity.WARN,
        description=in_words(rows),
    )


def newest_day(lake: Lake) -> list[dict[str, Any]]:
    """The rows of the newest day of the table `drift`; raises LakeError where there is no table."""
    with lake.connect("drift") as connection:
        newest = "FROM drift WHERE day = (SELECT max(day) FROM drift) ORDER BY measure"
        rows: list[dict[str, Any]] = connection.sql(newest).to_arrow_table().to_pylist()
    return rows


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the newest day says, in a sentence."""
    if not rows:
        return "There is no day yet with plays or answers while a champion served."
    day = max(row["day"] for row in rows)
    moved = [row for row in rows if row["day"] == day and row["drifted"]]
    if not moved:
        return f"{day}: no measure is above its bound."
    told = [f"{row['measure']} {row['value']:.3f} (bound {row['bound']:g}, n {row['n']:,})" for row in moved]
    return f"{day}: above the bound are {'; '.join(told)}."


def drift_rows(home: Home, watching: Watching, first: date, last: date) -> Iterator[dict[str, Any]]:
    """The rows of some days, those left out that had no champion, or nothing to compare."""
    plays, requests = _days(home, first, last)
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        reign = _reign(home.champions().history(), start_ms(day + timedelta(days=1)))
        key = day.isoformat()
        if reign is None or (key not in plays and key not in requests):
            continue
        try:
            learned = learned_by(home, home.champions().folder(reign.pointer))
        except BundleError as error:
            dg.get_dagster_logger().warning("The drift of %s cannot be told: %s", key, error)
            continue
        version = reign.pointer.version
        for shift in _shifts(learned, plays.get(key, []), requests.get(key, []), version, watching):
            yield _row(key, version, shift)


@dataclass(frozen=True, eq=False)
class Learned:
    """What a champion was trained on, and the scores that it gives to it."""

    items: ItemTable
    lengths: NDArray[np.int64]  # [plays], items that came before each
    scores: NDArray[np.float32]  # [users], of the best item after each history


@cache
def _learned(bundle: Path, sequences: Path, items: Path) -> Learned:
    table = read_item_table(items)
    histories, _ = read_sequences(sequences, table.n_items)
    place = np.arange(len(histories.items)) - np.repeat(histories.offsets[:-1], histories.lengths)
    users = np.random.default_rng(SEED).permutation(np.flatnonzero(histories.lengths))[:SCORED_USERS]
    scorer = open_bundle(bundle, "champion", "champion", table).scorer
    _, scores = top_k(scorer, histories.rows(users), 1)
    return Learned(read_items(bundle), place, scores[np.isfinite(scores)])


def learned_by(home: Home, bundle: Path) -> Learned:
    """What a champion learned from; where its tables are gone the current ones stand in.

    Raises BundleError.
    """
    lake = home.lake()
    made_from = input_tables(lake, read_manifest(bundle))
    paths = []
    for table in ("sequences", "items"):
        kept = [v for v in lake.versions(table) if v.fingerprint == made_from.get(table)]
        paths.append((kept[0] if kept else lake.current(table)).path)
    return _learned(bundle, *paths)


Play = tuple[str, int | None]  # item id, and items of the history before it where it is learned from
Request = tuple[str, bool, float | None]  # version of the model, whether popularity answered, best score


def _days(home: Home, first: date, last: date) -> tuple[dict[str, list[Play]], dict[str, list[Request]]]:
    """Plays and requests by day."""
    plays, requests = dict[str, list[Play]](), dict[str, list[Request]]()
    with home.lake().connect("events", "interactions", "all_interactions") as connection:
        read_impressions(connection, home.event_store(), first, last)
        when = {name: value for name, value in clock(connection).items() if name != "dated"}
        when |= {"first": first.isoformat(), "last": last.isoformat()}
        for day, item_id, position in connection.execute(statement("day_plays"), when).fetchall():
            plays.setdefault(day, []).append((item_id, position))
        for _, day, version, fell_back, score in connection.execute(statement("day_requests")).fetchall():
            requests.setdefault(day, []).append((version, bool(fell_back), score))
    return plays, requests


def _reign(history: Sequence[Reign], end_ms: int) -> Reign | None:
    """Who was champion at the end of a day."""
    before = [reign for reign in history if reign.pointer.promoted_at * 1000 < end_ms]
    return before[-1] if before else None


def _shifts(
    learned: Learned, plays: Sequence[Play], requests: Sequence[Request], version: str, watching: Watching
) -> Iterator[Shift]:
    popularity, length, scores, unknown, fallbacks = MEASURES
    index, bound = learned.items.index(), watching.drift_bound
    taken = [(index.get(item_id, 0), position) for item_id, position in plays if position is not None]
    if taken:
        bins = item_bins(learned.items.counts)
        trained = np.bincount(bins, weights=learned.items.counts).astype(np.int64)
        today = np.bincount(bins[[item for item, _ in taken]], minlength=len(trained))
        yield compare(popularity, trained, today, bound, SEED)
        yield _compare_bins(
            length, length_bins(learned.lengths), length_bins(np.array([p for _, p in taken])), bound
        )
    given = [score for model, fell_back, score in requests if model == version and not fell_back and score]
    if given and len(learned.scores):
        edges = learned.scores
        yield _compare_bins(scores, score_bins(edges, edges), score_bins(np.array(given), edges), bound)
    if plays:
        times = sum(item_id not in index for item_id, _ in plays)
        yield rate(unknown, times, len(plays), watching.rate_bound)
    if requests:
        yield rate(fallbacks, sum(f for _, f, _ in requests), len(requests), watching.rate_bound)


def _compare_bins(measure: str, training: NDArray[np.int64], today: NDArray[np.int64], bound: float) -> Shift:
    n = int(max(training.max(), today.max())) + 1
    return compare(measure, np.bincount(training, minlength=n), np.bincount(today, minlength=n), bound, SEED)


def _row(day: str, champion: str, shift: Shift) -> dict[str, Any]:
    row = {"day": day, "champion": champion, **asdict(shift), "drifted": shift.drifted}
    return {name: None if isinstance(value, float) and isnan(value) else value for name, value in row.items()}


DRIFT_CHECKS = checks_of(DRIFT)
