"""The leaderboard: every model on the same test users, read once a run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import inf, isfinite
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assets.contracts import checks_of
from assets.evaluation.cohorts import (
    cohort_rows,
    cohorts_markdown,
    cohorts_of,
    first_play_rows,
    read_cohorts,
)
from assets.evaluation.earlier_ranks import MADE_ANEW, digest, earlier_rows, few, recipe, tonights_rows
from assets.evaluation.fairness import Match, fair_match, first_of_each, target_rows
from assets.evaluation.leaderboard_tables import (
    EARLIER_RANKS,
    LEADERBOARD,
    LEADERBOARD_TABLES,
    TEST_COHORTS,
    TEST_TARGETS,
    TOP,
)
from assets.ingest.sources import optimum
from assets.resources import Home, Source, Training
from assets.sequences.loading import load_items, load_sequences, split_name, split_reason
from assets.shown.charts import markdown_image
from assets.shown.plots import leaderboard_chart
from assets.shown.tables import table_specs
from assets.state.champions import Incumbent
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from assets.state.made_here import write_rows
from assets.training.blend import blended
from assets.training.entrants import Entrant, open_bundle
from models.baselines import BASELINES
from models.blend.scorer import BLEND
from models.bundle.bundle import PADDING, BundleError, ItemTable, bundle_hash
from models.data import Holdout
from models.evaluation.metrics import coverage, evaluate, per_user, summary
from models.evaluation.slices import Slice
from models.evaluation.stats import SEED, bootstrap_interval
from models.networks import NETWORKS
from models.stages.names import STAGED

CODE = made_by(__name__)
STANDINGS = "standings"  # metadata of the table: all nights' together are the leaderboards over time
ORDER = {
    "leaderboard": ["model"],
    "test_ranks": ["model", "user_id", "position"],
    "test_recommendations": ["model", "user_id", "rank"],
}


def entrants(
    home: Home, source: Source, training: Training, items: ItemTable, champion: Path | None
) -> Iterator[Entrant]:
    """Baselines, candidates, champion and anchor as far as they can be opened, and the sample's optimum."""
    store = home.bundles()
    for name in filter(store.has, BASELINES):  # those that these data allow
        yield open_bundle(store.current(name), name, "baseline", items)
    for name in (*training.candidates, *blended(store, training)):
        yield open_bundle(store.current(name), name, "candidate", items)
    for name, folder in (("champion", champion), ("anchor", _anchor_beside(home, champion))):
        try:
            if folder is not None:
                yield open_bundle(folder, name, name, items)
        except BundleError as error:
            dg.get_dagster_logger().warning("The %s cannot be evaluated: %s", name, error)
    if (scorer := optimum(source, items)) is not None:
        yield Entrant("optimum", "optimum", "known process", scorer, "", validation_ndcg=float("nan"))


@dg.multi_asset(
    pool="lake",
    specs=table_specs(
        LEADERBOARD_TABLES.values(),
        ["baselines", *NETWORKS, BLEND, *STAGED, "sequences", "items"],
        {"duckdb", "onnx"},
        CODE,
    ),
)
def leaderboard(home: Home, source: Source, training: Training) -> Iterator[dg.MaterializeResult[None]]:
    lake, items, champion = home.lake(), load_items(home.lake()), home.champions().incumbent()
    _, user_ids = load_sequences(lake)
    match = fair_match(home)
    test = match.test
    models = list(entrants(home, source, training, items, match.champion))
    users = np.asarray(user_ids)[test.users]
    recipes = {m.model: recipe(m, training) for m in models if m.role in MADE_ANEW}
    earlier = earlier_rows(lake, test, users, recipes)
    made_from = fingerprint(
        "leaderboard",
        CODE,
        lake.current("sequences").fingerprint,
        [(m.model, m.bundle_hash) for m in models],
        match.note,
        asdict(champion),
        *digest(earlier),
    )

    def write(paths: Mapping[str, Path]) -> None:
        some = cohorts_of(lake, test)
        results = [_evaluate(model, test, users, items, champion, some) for model in models]
        kept = [
            tonights_rows(m, recipes[m.model], r["test_ranks"]["rank"].to_numpy(), test, users, items)
            for m, r in zip(models, results, strict=True)
            if m.role in MADE_ANEW and few(test)
        ]
        write_rows(lake, pa.concat_tables([earlier, *kept]), paths[EARLIER_RANKS.name])
        for table, order in ORDER.items():
            rows = pa.concat_tables(result[table] for result in results)
            rows = rows.select(LEADERBOARD_TABLES[table].schema.names).cast(LEADERBOARD_TABLES[table].schema)
            write_rows(lake, rows.sort_by([(column, "ascending") for column in order]), paths[table])
        write_rows(lake, target_rows(test), paths[TEST_TARGETS.name])
        cohorts = [result[TEST_COHORTS.name] for result in results]
        write_rows(lake, pa.concat_tables([*cohorts, first_play_rows(lake)]), paths[TEST_COHORTS.name])

    published = lake.publish_many(made_from, list(LEADERBOARD_TABLES), write)
    told = _told(lake, match)
    for table, version in published.items():
        yield dg.MaterializeResult(
            asset_key=table,
            metadata={
                "dagster/row_count": version.rows,
                "fingerprint": made_from,
                **(told if table == "leaderboard" else {}),
            },
            data_version=dg.DataVersion(made_from),
        )


def _told(lake: Lake, match: Match) -> dict[str, Any]:
    """What the UI shows of a night's leaderboard."""
    rows, test = leaderboard_rows(lake), match.test
    return {
        "leaderboard": dg.MetadataValue.md(leaderboard_markdown(rows)),
        "other measures": dg.MetadataValue.md(measures_markdown(rows)),
        "NDCG@10": dg.MetadataValue.md(markdown_image(leaderboard_chart(rows), "Leaderboard")),
        "test users": rows[0]["users"],
        "test plays": len(test),
        "compared on": match.note,
        **repeated_targets(test),
        "split": f"{split_name(lake)}, full catalogue, {seen_items(test)}, ties count against the model",
        "why this split": split_reason(lake),
        "known and new": dg.MetadataValue.md(cohorts_markdown(read_cohorts(lake), shown_apart(rows))),
        STANDINGS: dg.MetadataValue.json(standings(rows)),
    }


LEADERBOARD_CHECKS = checks_of(*LEADERBOARD_TABLES.values())


def _anchor_beside(home: Home, champion: Path | None) -> Path | None:
    """The anchor's bundle, where it is another than the champion's; one that is not whole is left out."""
    anchor = home.champions().anchor()
    if anchor is None or champion is None or bundle_hash(champion) == anchor.bundle_hash:
        return None
    folder = home.folder("bundles") / anchor.bundle
    if folder.is_dir() and bundle_hash(folder) == anchor.bundle_hash:
        return folder
    dg.get_dagster_logger().warning("The anchor cannot be evaluated: %s is gone or damaged.", folder)
    return None


def _evaluate(
    entrant: Entrant,
    test: Holdout,
    users: NDArray[np.str_],
    items: ItemTable,
    champion: Incumbent,
    some: Sequence[Slice],
) -> dict[str, pa.Table]:
    result = evaluate(entrant.scorer, test, k=TOP)
    low, high = bootstrap_interval(per_user("ndcg@10", result.ranks), seed=SEED, people=test.people)
    first = first_of_each(test)
    row = {
        "model": entrant.model,
        "role": entrant.role,
        "architecture": entrant.architecture,
        "bundle_hash": entrant.bundle_hash,
        "users": len(first),
        "plays": len(test),
        "validation_ndcg_at_10": entrant.validation_ndcg,
        "ndcg_at_10_low": low,
        "ndcg_at_10_high": high,
        "coverage_at_10": coverage(result.items[:, :10], items.n_items),
        "coverage_at_20": coverage(result.items, items.n_items),
        "export_error": entrant.export_error,
        "nan_users": result.nan_users,
        "unknown_targets": result.unknown_targets,
        "champion_hash": champion.bundle_hash,
        "champion_reign": champion.reign,
    }
    row |= {name.replace("@", "_at_"): value for name, value in summary(result.ranks).items()}
    return {
        "leaderboard": LEADERBOARD.rows([row]),
        "test_ranks": pa.table(
            {
                "model": [entrant.model] * len(test),
                "user_id": users,
                "position": test.histories.lengths,
                "rank": result.ranks,
            }
        ),
        "test_recommendations": recommendation_rows(
            entrant.model, users[first], result.items[first], result.scores[first], items
        ),
        TEST_COHORTS.name: cohort_rows(entrant.model, result.ranks, users, some),
    }


def recommendation_rows(
    model: str,
    users: NDArray[np.str_],
    best: NDArray[np.int32],
    scores: NDArray[np.float32],
    items: ItemTable,
) -> pa.Table:
    """Rows (model, user_id, item_id, rank, score) from [users, k] item indexes, 0 for none, and scores."""
    shown = best > PADDING
    per_user = shown.sum(axis=1)
    ranks = np.broadcast_to(np.arange(1, best.shape[1] + 1, dtype=np.int32), best.shape)
    return pa.table(
        {
            "model": pa.array([model] * int(per_user.sum()), pa.string()),  # none, where all scores are NaN
            "user_id": np.repeat(users, per_user),
            "item_id": np.asarray(items.ids)[best[shown]],
            "rank": ranks[shown],
            "score": scores[shown].astype(np.float32),
        }
    )


def leaderboard_rows(lake: Lake) -> list[dict[str, Any]]:
    with lake.connect("leaderboard") as connection:
        rows: list[dict[str, Any]] = connection.sql("FROM leaderboard").to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: -row["ndcg_at_10"])


def by_validation(row: Mapping[str, Any]) -> tuple[float, str]:
    """Sorts rows as the gate chooses: the best on validation first, one without a number last.

    Of equals the name decides, for test, by which the leaderboard is sorted, has no say.
    """
    value = float(row["validation_ndcg_at_10"])
    return -value if isfinite(value) else inf, str(row["model"])


def seen_items(test: Holdout) -> str:
    """How they count."""
    return "seen items left out" if test.exclude_seen else "seen items among the answers"


def repeated_targets(test: Holdout) -> dict[str, str]:
    """Says so where what people played next was in their history; a warning where all models miss it."""
    repeated = int(test.repeated().sum())
    if not repeated:
        return {}
    told = f"{repeated:,} of {len(test):,} test users played next what they had played before."
    if test.people is not None:
        told = f"{repeated:,} of {len(test):,} test plays are of an item that the user had played before."
    if test.exclude_seen:
        told += (
            " Items of the history are never recommended, so every model misses them; "
            "NEXTPLAY_EXCLUDE_SEEN=no lets them count, and NEXTPLAY_REPEATS=first keeps the first play of an "
            "item alone."
        )
        dg.get_dagster_logger().warning(told)
    return {"repeated targets": told}


def shown_apart(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The models whose cohorts are shown, of rows best first: candidates, champion and the best baseline."""
    baseline = next((row["model"] for row in rows if row["role"] == "baseline"), None)
    return [
        row["model"] for row in rows if row["role"] in ("candidate", "champion") or row["model"] == baseline
    ]


def leaderboard_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The leaderboard as a Markdown table, best first: no wider than the column that the UI has for it."""
    lines = [
        "| model | role | NDCG@10 | 95\u00a0%\u00a0interval |",
        "|---|---|---:|---:|",
    ]
    lines += [
        f"| {r['model']} | {r['role']} | {r['ndcg_at_10']:.4f} "
        f"| {r['ndcg_at_10_low']:.4f}\u00a0to\u00a0{r['ndcg_at_10_high']:.4f} |"
        for r in rows
    ]
    return "\n".join(lines)


def measures_markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The other measures of each model as a Markdown table, in the order of the leaderboard."""
    lines = ["| model | HR@10 | MRR@10 | coverage@20 |", "|---|---:|---:|---:|"]
    lines += [
        f"| {r['model']} | {r['hr_at_10']:.4f} | {r['mrr_at_10']:.4f} | {r['coverage_at_20']:.1%} |"
        for r in rows
    ]
    return "\n".join(lines)


def standings(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each model's place of this night in a form that later nights can be drawn beside."""
    kept = ("model", "role", "architecture", "ndcg_at_10", "ndcg_at_10_low", "ndcg_at_10_high")
    return [{name: row[name] for name in kept} for row in rows]
