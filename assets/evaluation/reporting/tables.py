"""Tables of the report: numbers, and where there is an axis, an interval drawn in each row."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from markupsafe import Markup

from assets.evaluation.reporting.comparisons import EVERYBODY, Compared, stated_p
from assets.evaluation.reporting.evidence import Model, RunEvidence
from assets.shown.axis import Axis
from assets.shown.charts import interval, scale
from models.evaluation.audit import AUDIT_LABELS
from models.evaluation.exposure import gini, novelty, overlap

MINUS = "\u2212"


@dataclass(frozen=True)
class Column:
    """A column of numbers; a phone leaves out one that is `spare`."""

    name: str
    spare: bool = False


@dataclass(frozen=True)
class Row:
    label: str
    note: str
    role: str
    cells: Sequence[str]
    plot: Markup | None = None
    group: str = ""  # rows of one group stand together under its name


@dataclass(frozen=True)
class Table:
    """Labels, numbers, and where there is an axis, an interval drawn in each row."""

    label: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    unit: str = ""
    scale: Markup | None = None


def leaderboard(run: RunEvidence) -> Table:
    axis = Axis.over(m.row["ndcg_at_10_high"] for m in run.models)
    names = ("ndcg_at_10", "ndcg_at_5", "hr_at_10", "mrr_at_10")
    columns = [
        Column("NDCG@10"),
        Column("95 % interval", spare=True),
        Column("NDCG@5", spare=True),
        Column("HR@10", spare=True),
        Column("MRR@10", spare=True),
        Column("validation NDCG@10", spare=True),
    ]
    rows = []
    for model in run.models:
        row = model.row
        low, high = row["ndcg_at_10_low"], row["ndcg_at_10_high"]
        numbers = [plain(row[name]) for name in names]
        cells = [numbers[0], f"{low:.4f} to {high:.4f}", *numbers[1:], plain(row["validation_ndcg_at_10"])]
        plot = interval(axis, low, row["ndcg_at_10"], high, shown_role(model, run))
        rows.append(Row(model.label, note_of(model, run), shown_role(model, run), cells, plot))
    return Table("model", columns, rows, "test NDCG@10 with 95 % interval", scale(axis))


def difference_table(comparisons: Sequence[Compared], label: str) -> Table:
    """Differences of NDCG@10 with their intervals; above 0 the candidate is better."""
    axis = Axis.over(v for c in comparisons for v in (c.result.low, c.result.high, c.result.difference))
    columns = [
        Column("users", spare=True),
        Column("candidate", spare=True),
        Column("other", spare=True),
        Column("difference"),
        Column("95 % interval", spare=True),
        Column("p,\u00a0Holm"),
    ]
    rows = []
    for c in comparisons:
        r = c.result
        everybody = c.kind == EVERYBODY
        name, note = (c.other.label, c.other.role) if everybody else (c.label, "")
        cells = [
            f"{r.users:,}",
            plain(r.own),
            plain(r.other),
            signed(r.difference),
            f"{signed(r.low)} to {signed(r.high)}" if isfinite(r.low) else "–",
            stated_p(c.corrected_p),
        ]
        plot = interval(axis, r.low, r.difference, r.high, "candidate")
        rows.append(Row(name, note, "candidate", cells, plot, group="" if everybody else c.kind))
    return Table(label, columns, rows, "difference of NDCG@10, candidate minus other", scale(axis))


def exposure(run: RunEvidence) -> Table:
    """What each model shows to all test users together."""
    popularity, n_items = run.named("popularity"), run.items.n_items
    columns = [
        Column("coverage@10"),
        Column("Gini"),
        Column("novelty, bits", spare=True),
        Column("in popularity's top 10"),
    ]
    rows = []
    for model in run.models:
        common = overlap(model.lists, popularity.lists) if popularity else float("nan")
        cells = [
            f"{model.row['coverage_at_10']:.1%}",
            plain(gini(model.lists, n_items), 3),
            plain(novelty(model.lists, run.items.counts), 2),
            f"{common:.1%}" if isfinite(common) else "–",
        ]
        rows.append(Row(model.label, note_of(model, run), shown_role(model, run), cells))
    return Table("model", columns, rows)


def audit_table(run: RunEvidence) -> Table | None:
    by_name = {figure.name: figure for figure in run.audit}
    shown = [(label, by_name[name]) for name, label in AUDIT_LABELS.items() if name in by_name]
    if not shown:
        return None
    axis = Axis.over(figure.high for _, figure in shown)
    rows = [
        Row(
            label,
            "",
            "other",
            [plain(f.value), f"{f.low:.4f} to {f.high:.4f}"],
            interval(axis, f.low, f.value, f.high, "other"),
        )
        for label, f in shown
    ]
    columns = [Column("NDCG@10"), Column("95 % interval", spare=True)]
    return Table("predictor", columns, rows, "validation NDCG@10 with 95 % interval", scale(axis))


def shown_role(model: Model, run: RunEvidence) -> str:
    """The colour and mark of a model: only the submitted candidate has the candidate's."""
    if model.role == "candidate" and model is not run.submitted:
        return "also"
    return model.role if model.role in ("champion", "candidate") else "other"


def note_of(model: Model, run: RunEvidence) -> str:
    if model is run.submitted:
        return "candidate, submitted"
    notes = {"optimum": "best possible", "champion": "until now", "anchor": "best champion of late"}
    return notes.get(model.role, model.role)


def plain(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", MINUS) if isfinite(value) else "–"
