"""What was served, against what was then played: each night, of the plays that are new since the last one.

The model is the one that served when the night began, and the history of each user is what came before the
new play: so nothing that is judged has been learned from. It is asked as of the play, as the endpoint was.
`nextplay as-served` adds rows that it measures with plays held back.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from assets.contracts import checks_of
from assets.engines.sql import make_table, statement
from assets.evaluation.as_served_tables import (
    ALL_CUTS,
    AS_SERVED,
    AS_SERVED_TABLES,
    HELD_BACK,
    JUDGED,
    PLAYED_UNTIL,
    SERVED,
    SINCE,
)
from assets.evaluation.cuts import unit_of_plays
from assets.evaluation.next_plays import Judged, NextPlays, answers_of, figures
from assets.resources import Cleaning, Home
from assets.sequences.loading import in_ms
from assets.shown.tables import table_specs
from assets.state.apart import forget_apart
from assets.state.by_content import publish_rows
from assets.state.lake import Lake, fingerprint, write_parquet
from assets.state.made_here import write_rows
from models.bundle.bundle import BundleError

FEWEST_USERS = 30  # of a night's row: the interval of fewer says nothing
MOST_USERS = 10_000  # more would say little more


@dg.multi_asset(
    pool="lake",
    name="served_since_last_night",
    specs=table_specs(AS_SERVED_TABLES.values(), ["all_interactions"], {"duckdb", "onnx"}),
)
def as_served(home: Home, cleaning: Cleaning) -> Iterator[dg.MaterializeResult[None]]:
    lake, now = home.lake(), datetime.now(UTC)
    forget_apart(home.folder(), len(home.forgotten_users()))
    plays, since = new_plays(lake, cleaning.min_playtime), _measured_before(lake)
    rows, why = judged_tonight(home, plays, now, since)
    if len(plays) or since is None or _notes_a_user_who_is_gone(lake):
        publish_night(lake, rows)
    told: dict[str, Any] = {"new plays": len(plays), "tonight": why}
    if lake.has(AS_SERVED.name):
        told |= {"as served": dg.MetadataValue.md(markdown(latest(lake)) or "not measured yet")}
    for table in AS_SERVED_TABLES:
        yield dg.MaterializeResult(asset_key=table, metadata=told)


def _notes_a_user_who_is_gone(lake: Lake) -> bool:
    """Whether somebody was forgotten since the last note, which is made anew then, also where nobody "
    "played."""
    with lake.connect("all_interactions", PLAYED_UNTIL.name) as connection:
        ((users,),) = connection.execute(statement("users_gone")).fetchall()
    return bool(users)


def new_plays(lake: Lake, min_playtime: int) -> NextPlays:
    """The first play of each user that came since the last night, with all that came before it."""
    with lake.connect(*["all_interactions", *filter(lake.has, [PLAYED_UNTIL.name])]) as connection:
        if not lake.has(PLAYED_UNTIL.name):
            return NextPlays(np.empty(0, np.str_), [], np.empty(0, np.str_), np.empty(0, np.bool_))
        make_table(connection, "first_new_plays", {"min_playtime": min_playtime})
        which = {"min_playtime": min_playtime, "most": MOST_USERS}
        found = connection.execute(statement("new_plays"), which).fetchall()
        unit = unit_of_plays(connection)
    plays = plays_of((user, history, item, known) for user, history, item, known, _ in found)
    if unit is None:
        return plays
    return replace(plays, asked_ms=in_ms(np.array([row[-1] for row in found], dtype=np.int64), unit))


def plays_of(rows: Iterable[tuple[str, Sequence[str], str, bool]]) -> NextPlays:
    """Of rows of user, history, item that was played next, and whether the user was learned from."""
    found = list(rows)
    return NextPlays(
        np.array([row[0] for row in found], dtype=np.str_),
        [row[1] for row in found],
        np.array([row[2] for row in found], dtype=np.str_),
        np.array([row[3] for row in found], dtype=np.bool_),
    )


def judged_tonight(
    home: Home, plays: NextPlays, now: datetime, since: str | None
) -> tuple[list[dict[str, Any]], str]:
    """A row for what served and for each baseline beside it, or none and why."""
    if since is None:
        return [], "The first night has nothing to compare with: the next one measures what is served now."
    known = int(plays.learned.sum())
    if known < FEWEST_USERS:
        return [], f"{known} users have new plays, and {FEWEST_USERS} are needed to say anything."
    try:
        pointer = home.champions().current()
        if pointer is None:
            return [], "There was no champion, so nothing was served."
        folders = {SERVED: home.champions().folder(pointer), **pointer.baseline_folders(home.pointer_file)}
        answers = [answers_of(folder, model, plays) for model, folder in folders.items()]
    except BundleError as error:
        return [], f"What served cannot be opened: {error}"
    rows = [rows_of(now, SINCE, since, [Judged(given, plays)]) for given in answers]
    return rows, f"{known} users played next what was not known last night."


def rows_of(now: datetime, kind: str, cut: str, judged: Sequence[Judged]) -> dict[str, Any]:
    """A row of `as_served`."""
    return {"measured": moment(now), "kind": kind, "cut": cut, **figures(judged)}


def moment(now: datetime) -> str:
    return now.astimezone(UTC).replace(microsecond=0).isoformat()


def add_rows(lake: Lake, rows: Sequence[Mapping[str, object]]) -> None:
    """Publish `as_served` with these rows, which replace those of the same kind, cut, model and bundle."""
    publish_rows(lake, AS_SERVED.name, lambda path: _write_rows(lake, rows, path))


def publish_night(lake: Lake, rows: Sequence[Mapping[str, object]]) -> None:
    """Add a night's rows, and note what is known now, both at once: a killed night counts no play twice."""
    before = lake.current(AS_SERVED.name).fingerprint if lake.has(AS_SERVED.name) else ""
    until = lake.current("all_interactions").fingerprint
    made_from = fingerprint("a night as served", before, until, list(rows))

    def write(paths: Mapping[str, Path]) -> None:
        _write_rows(lake, rows, paths[AS_SERVED.name])
        with lake.connect("all_interactions") as connection:
            write_parquet(connection, statement("played_until"), paths[PLAYED_UNTIL.name])

    lake.publish_many(made_from, list(AS_SERVED_TABLES), write)


def _write_rows(lake: Lake, rows: Sequence[Mapping[str, object]], path: Path) -> None:
    kept = {_key(row): row for row in [*_rows(lake), *rows]}
    order = sorted(kept.values(), key=lambda row: (str(row["measured"]), *_key(row)))
    write_rows(lake, AS_SERVED.rows(order), path)


def _key(row: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("kind", "cut", "model", "bundle_hash"))


def _rows(lake: Lake) -> list[dict[str, Any]]:
    if not lake.has(AS_SERVED.name):
        return []
    with lake.connect(AS_SERVED.name) as connection:
        found: list[dict[str, Any]] = connection.sql(f"FROM {AS_SERVED.name}").to_arrow_table().to_pylist()
    return found


def _measured_before(lake: Lake) -> str | None:
    """When the last night noted what was known then; None where none has."""
    if not lake.has(PLAYED_UNTIL.name):
        return None
    written = lake.current(PLAYED_UNTIL.name).path.stat().st_mtime
    return moment(datetime.fromtimestamp(written, UTC))


def latest(lake: Lake, kind: str = HELD_BACK) -> list[Mapping[str, Any]]:
    """The rows of the newest measurement of a kind, best first; of several cuts those of all together."""
    rows = [row for row in _rows(lake) if row["kind"] == kind]
    newest = max((row["measured"] for row in rows), default="")
    return shown([row for row in rows if row["measured"] == newest])


def shown(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of a measurement the rows that count, best first: of several cuts those of all together."""
    together = [row for row in rows if row["cut"] == ALL_CUTS]
    return sorted(together or rows, key=lambda row: -row["ndcg_at_10"])


def in_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """What is served, in one sentence; nothing where it was not measured."""
    row = next((row for row in rows if row["model"] == SERVED), None)
    if row is None:
        return ""
    others = [other for other in rows if other["model"] not in (SERVED, JUDGED)]
    best = max(others, key=lambda other: other["ndcg_at_10"], default=None)
    beside = f"; {best['model']} {best['ndcg_at_10']:.4f}" if best else ""
    return (
        f"NDCG@10 {row['ndcg_at_10']:.4f} ({row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f}) on "
        f"{row['users']:,} next plays{beside}; {row['kind']}: {row['cut']}, measured on "
        f"{row['measured'][:10]}"
    )


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """A measurement as a Markdown table; nothing where there is none."""
    if not rows:
        return ""
    lines = ["| model | NDCG@10 | 95\u00a0%\u00a0interval | HR@10 |", "|---|---:|---:|---:|"]
    lines += [
        f"| {r['model']} | {r['ndcg_at_10']:.4f} "
        f"| {r['ndcg_at_10_low']:.4f}\u00a0to\u00a0{r['ndcg_at_10_high']:.4f} | {r['hr_at_10']:.4f} |"
        for r in rows
    ]
    return f"{in_words(rows)}\n\n" + "\n".join(lines)


AS_SERVED_CHECKS = checks_of(AS_SERVED, PLAYED_UNTIL)
