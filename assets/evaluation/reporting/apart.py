"""What was served, and figures apart: cohorts of the test plays, and the splits that tonight's is not."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from assets.evaluation.as_served_tables import JUDGED, SERVED
from assets.evaluation.cohorts import by_cohort
from assets.evaluation.reporting.evidence import RunEvidence
from assets.evaluation.reporting.tables import Column, Row, Table, plain, shown_role
from assets.shown.axis import Axis
from assets.shown.charts import interval, scale
from models.evaluation.cohorts import FIRST_PLAYS, KINDS


def as_served_figure(run: RunEvidence) -> list[tuple[str, str, str]]:
    """The key figure of the system, as it was measured last, if it was."""
    return [
        (
            "NDCG@10 as served",
            f"{row['ndcg_at_10']:.4f}",
            f"95 % interval {row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f}, measured on "
            f"{row['measured'][:10]}",
        )
        for row in run.served
        if row["model"] == SERVED
    ]


def as_served(run: RunEvidence) -> Table | None:
    """What was served before plays that were held back, its judged twin and the baselines of the same day."""
    if not run.served:
        return None
    axis = Axis.over(row["ndcg_at_10_high"] for row in run.served)
    columns = [
        Column("NDCG@10"),
        *(Column(n, spare=True) for n in ("95 % interval", "HR@10", "MRR@10", "users")),
    ]
    notes = {SERVED: "served", JUDGED: "its twin that was judged"}
    rows = []
    for row in run.served:
        low, value, high = row["ndcg_at_10_low"], row["ndcg_at_10"], row["ndcg_at_10_high"]
        role = "candidate" if row["model"] == SERVED else "other"
        cells = [plain(value), f"{low:.4f} to {high:.4f}", plain(row["hr_at_10"]), plain(row["mrr_at_10"])]
        cells.append(f"{row['users']:,}")
        plot = interval(axis, low, value, high, role)
        rows.append(Row(row["architecture"], notes.get(row["model"], "baseline"), role, cells, plot))
    return Table("model", columns, rows, "NDCG@10 with 95 % interval", scale(axis))


def cohort_tables(run: RunEvidence) -> list[tuple[str, Table]]:
    """The submitted candidate and its references on known and new users and items, and by days."""
    shown = [m for m in (run.submitted, *run.references) if m is not None] or list(run.models[:1])
    labels = {model.name: model.label for model in shown}
    rows = by_cohort(run.cohorts, list(labels))
    axis = Axis.over(row["ndcg_at_10_high"] for row in rows if isfinite(row["ndcg_at_10_high"]))
    columns = [
        Column("NDCG@10"),
        *(Column(name, spare=True) for name in ("95 % interval", "plays", "users")),
    ]
    made = []
    for kind in KINDS:
        drawn = [_cohort(row, labels, run, axis) for row in rows if row["kind"] == kind]
        if len({row.group for row in drawn}) > 1:
            made.append((kind, Table("model", columns, drawn, "NDCG@10 with 95 % interval", scale(axis))))
    return made


def other_splits(run: RunEvidence) -> Table | None:
    """The baselines on the splits that tonight's is not, beside their figures of tonight."""
    if not run.other_splits:
        return None
    axis = Axis.over(row["ndcg_at_10_high"] for row in run.other_splits if isfinite(row["ndcg_at_10_high"]))
    names = ("95 % interval", "plays", "users", "on tonight's split")
    columns = [Column("NDCG@10"), *(Column(name, spare=True) for name in names)]
    rows = []
    for row in run.other_splits:
        tonight = run.named(row["model"])
        low, value, high = row["ndcg_at_10_low"], row["ndcg_at_10"], row["ndcg_at_10_high"]
        cells = [plain(value), f"{low:.4f} to {high:.4f}", f"{row['plays']:,}", f"{row['users']:,}"]
        cells.append(plain(tonight.row["ndcg_at_10"]) if tonight else "–")
        plot = interval(axis, low, value, high, "other")
        rows.append(Row(row["model"], "", "other", cells, plot, group=row["split"]))
    return Table("baseline", columns, rows, "NDCG@10 with 95 % interval", scale(axis))


def _cohort(row: Mapping[str, Any], labels: Mapping[str, str], run: RunEvidence, axis: Axis) -> Row:
    low, value, high = row["ndcg_at_10_low"], row["ndcg_at_10"], row["ndcg_at_10_high"]
    span = f"{low:.4f} to {high:.4f}" if isfinite(low) else "–"
    model = run.named(row["model"]) if row["cohort"] != FIRST_PLAYS else None
    role = shown_role(model, run) if model else "other"
    name = labels.get(row["model"], row["model"]) if model else "what is popular"
    cells = [plain(value), span, f"{row['plays']:,}", f"{row['users']:,}"]
    return Row(name, "", role, cells, interval(axis, low, value, high, role), group=row["cohort"])
