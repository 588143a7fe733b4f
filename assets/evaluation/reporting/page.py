"""The report's page: evidence in, one self-contained HTML text out. No clock, no network, no randomness."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.evaluation.as_served_tables import JUDGED, SERVED
from assets.evaluation.cohorts import by_cohort
from assets.evaluation.reporting.checks import Check, checks
from assets.evaluation.reporting.comparisons import EVERYBODY, Compared, by_slice, paired, stated_p
from assets.evaluation.reporting.evidence import Model, RunEvidence
from assets.shown.axis import Axis
from assets.shown.charts import STYLE, interval, scale
from assets.shown.plots import learning_curve
from models.bundle.bundle import PADDING
from models.evaluation.audit import AUDIT_LABELS, describe
from models.evaluation.cohorts import FIRST_PLAYS, KINDS
from models.evaluation.exposure import gini, novelty, overlap
from models.evaluation.metrics import MISSED

FOLDER = Path(__file__).parent
TEMPLATE, STYLES = FOLDER / "page.html", (STYLE, FOLDER / "style.css")
EXAMPLES = 20
HISTORY_SHOWN = 8
CHAMPION = "champion until now"  # in the stamp of a run
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


@dataclass(frozen=True)
class Recommended:
    """One model's answer to an example user: titles, best first, each with whether it was taken next."""

    model: str
    rank: int | None  # none where it can never be recommended
    titles: Sequence[tuple[str, bool]]


@dataclass(frozen=True)
class Example:
    user: str
    earlier: int  # items of the history that are not shown
    history: Sequence[str]
    taken: str
    lists: Sequence[Recommended]


@dataclass(frozen=True)
class Examined:
    """The candidate against the others, on all users and on groups of them, and what the checks found."""

    comparisons: Sequence[Compared]
    slices: Sequence[Compared]
    checks: Sequence[Check]


def examine(run: RunEvidence) -> Examined:
    """Every comparison and check that the page shows."""
    candidate = run.submitted
    slices = by_slice(run, candidate) if candidate else []
    return Examined(paired(run, candidate) if candidate else [], slices, checks(run, slices))


def render(run: RunEvidence, examined: Examined | None = None) -> str:
    """The whole page."""
    found = examined or examine(run)
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    candidate = run.submitted
    return environment.get_template(TEMPLATE.name).render(
        style=Markup("\n").join(Markup(path.read_text(encoding="utf-8")) for path in STYLES),
        verdict=run.verdict,
        headline=headline(run),
        lead=lead(run),
        stamp=run.stamp,
        key_figures=[*key_figures(run, found.comparisons, found.checks), *as_served_figure(run)],
        checks=found.checks,
        leaderboard=leaderboard(run),
        as_served=as_served(run),
        measured=run.served[0]["measured"][:10] if run.served else "",
        cut=run.served[0]["cut"] if run.served else "",
        n_users=run.n_users,
        n_plays=len(run.users),
        tested=tested(run),
        split=run.split,
        cohorts=cohort_tables(run),
        other_splits=other_splits(run),
        candidate=candidate,
        differences=difference_table(found.comparisons, "compared with") if found.comparisons else None,
        slices=[
            (label, difference_table(of_other, "slice"))
            for label, of_other in _by_other(found.slices)
        ],
        dated=run.gaps is not None,
        exposure=exposure(run),
        anchored=bool(run.with_role("anchor")),
        coverable=f"{run.coverable:.1%}" if run.coverable < 1 else "",
        curves=learning_curves(run),
        audit_text=describe(run.audit) if run.audit else "",
        audit=audit_table(run),
        examples=examples(run),
        origin=run.origin,
    )  # fmt: skip


def tested(run: RunEvidence) -> str:
    """What the figures are means over, in words."""
    users = f"{run.n_users:,} test users"
    return users if run.people is None else f"{len(run.users):,} test plays of {users}"


def headline(run: RunEvidence) -> str:
    """The decision in a few words."""
    submitted, winner = run.submitted, run.verdict.winner
    if not run.verdict.promote:
        return f"Do not promote {submitted.name}" if submitted else "Do not promote"
    if submitted is None or submitted.name == winner:
        return f"Promote {winner}"
    return f"Promote {winner}, not {submitted.name}"


def lead(run: RunEvidence) -> str:
    """Which model was judged, and which is champion from now on."""
    sentences = []
    if run.submitted:
        value = run.submitted.row["validation_ndcg_at_10"]
        sentences.append(
            f"{run.submitted.name}{_version(run, run.submitted.name)} was submitted: of the candidates it is "
            f"best on validation (NDCG@10 {value:.4f})."
        )
    if not run.verdict.promote:
        winner = run.verdict.winner
        stays = f"{winner}{_version(run, CHAMPION)} stays champion."
        sentences.append(stays if winner else "There is no champion.")
    elif run.submitted and run.verdict.winner != run.submitted.name:
        sentences.append(f"It is refused, and {run.verdict.winner} becomes champion in its place.")
    elif run.champion:
        sentences.append(f"It replaces {run.champion.row['architecture']}{_version(run, CHAMPION)}.")
    else:
        sentences.append("It becomes champion.")
    return " ".join(sentences)


def _version(run: RunEvidence, name: str) -> str:
    """Which version a model is, where that is known: the candidate may be of the champion's architecture."""
    return f" ({run.stamp[name]})" if name in run.stamp else ""


def key_figures(
    run: RunEvidence, comparisons: Sequence[Compared], made: Sequence[Check]
) -> list[tuple[str, str, str]]:
    """The few figures that the decision rests on: name, value, what it is compared with."""
    candidate = run.submitted
    if candidate is None:
        return []
    row = candidate.row
    figures = [
        (
            f"NDCG@10 of {candidate.name}",
            f"{row['ndcg_at_10']:.4f}",
            f"95 % interval {row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f}",
        )
    ]
    for compared in comparisons:
        if compared.other in run.references:
            r = compared.result
            what = "" if compared.other.role == "champion" else ", the best baseline"
            figures.append(
                (
                    f"{candidate.name} minus {compared.other.label}{what}",
                    _signed(r.difference),
                    f"95 % interval {_signed(r.low)} to {_signed(r.high)}",
                )
            )
    alarms = sum(check.suspicious for check in made)
    value = f"{alarms} alarm{'s' if alarms > 1 else ''}" if alarms else "no alarm"
    calm = len(made) - alarms
    note = f"{calm} of {len(made)} are as expected: see below" if alarms else f"all {calm} are as expected"
    return [*figures, ("checks for faults", value, note)]


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
        numbers = [_plain(row[name]) for name in names]
        cells = [numbers[0], f"{low:.4f} to {high:.4f}", *numbers[1:], _plain(row["validation_ndcg_at_10"])]
        plot = interval(axis, low, row["ndcg_at_10"], high, _shown_role(model, run))
        rows.append(Row(model.label, _note(model, run), _shown_role(model, run), cells, plot))
    return Table("model", columns, rows, "test NDCG@10 with 95 % interval", scale(axis))


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
        cells = [_plain(value), f"{low:.4f} to {high:.4f}", _plain(row["hr_at_10"]), _plain(row["mrr_at_10"])]
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
        cells = [_plain(value), f"{low:.4f} to {high:.4f}", f"{row['plays']:,}", f"{row['users']:,}"]
        cells.append(_plain(tonight.row["ndcg_at_10"]) if tonight else "–")
        plot = interval(axis, low, value, high, "other")
        rows.append(Row(row["model"], "", "other", cells, plot, group=row["split"]))
    return Table("baseline", columns, rows, "NDCG@10 with 95 % interval", scale(axis))


def _cohort(row: Mapping[str, Any], labels: Mapping[str, str], run: RunEvidence, axis: Axis) -> Row:
    low, value, high = row["ndcg_at_10_low"], row["ndcg_at_10"], row["ndcg_at_10_high"]
    span = f"{low:.4f} to {high:.4f}" if isfinite(low) else "–"
    model = run.named(row["model"]) if row["cohort"] != FIRST_PLAYS else None
    role = _shown_role(model, run) if model else "other"
    name = labels.get(row["model"], row["model"]) if model else "what is popular"
    cells = [_plain(value), span, f"{row['plays']:,}", f"{row['users']:,}"]
    return Row(name, "", role, cells, interval(axis, low, value, high, role), group=row["cohort"])


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
            _plain(r.own),
            _plain(r.other),
            _signed(r.difference),
            f"{_signed(r.low)} to {_signed(r.high)}" if isfinite(r.low) else "–",
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
            _plain(gini(model.lists, n_items), 3),
            _plain(novelty(model.lists, run.items.counts), 2),
            f"{common:.1%}" if isfinite(common) else "–",
        ]
        rows.append(Row(model.label, _note(model, run), _shown_role(model, run), cells))
    return Table("model", columns, rows)


def learning_curves(run: RunEvidence) -> list[tuple[str, Markup]]:
    """For each candidate its validation and its loss by epoch: what is drawn, and the drawing."""
    drawn = []
    for name, points in run.curves.items():
        best = max(points, key=lambda point: (point["ndcg"], -point["epoch"]))
        for field, unit in (("ndcg", "validation NDCG@10"), ("loss", "training loss")):
            kept = f"{name}, {unit}: {best[field]:.4f} at epoch {best['epoch']:.0f}, which was kept"
            drawn.append((kept, learning_curve(points, field, unit)))
    return drawn


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
            [_plain(f.value), f"{f.low:.4f} to {f.high:.4f}"],
            interval(axis, f.low, f.value, f.high, "other"),
        )
        for label, f in shown
    ]
    columns = [Column("NDCG@10"), Column("95 % interval", spare=True)]
    return Table("predictor", columns, rows, "validation NDCG@10 with 95 % interval", scale(axis))


def examples(run: RunEvidence) -> list[Example]:
    """Users drawn by the hash of their id: the same ones on the same data, and nobody chose them."""
    shown = [m for m in (run.submitted, *run.references[:1]) if m is not None]
    drawn = sorted(run.first_plays.tolist(), key=lambda play: _hash(str(run.users[play])))[:EXAMPLES]
    return [_example(run, play, shown) for play in drawn]


def _example(run: RunEvidence, user: int, models: Sequence[Model]) -> Example:
    titles, history = run.items.titles, run.histories.user(user)
    target = int(run.targets[user])
    lists = [
        Recommended(
            model.label,
            None if model.ranks[user] == MISSED else int(model.ranks[user]),
            [(titles[item], int(item) == target) for item in model.lists[user] if item != PADDING],
        )
        for model in models
    ]
    return Example(
        user=str(run.users[user]),
        earlier=max(len(history) - HISTORY_SHOWN, 0),
        history=[titles[item] for item in history[-HISTORY_SHOWN:]],
        taken=titles[target],
        lists=lists,
    )


def _by_other(slices: Sequence[Compared]) -> list[tuple[str, list[Compared]]]:
    grouped: dict[str, list[Compared]] = {}
    for compared in slices:
        what = "" if compared.other.role == "champion" else ", the best baseline"
        grouped.setdefault(f"{compared.other.label}{what}", []).append(compared)
    return list(grouped.items())


def _shown_role(model: Model, run: RunEvidence) -> str:
    """The colour and mark of a model: only the submitted candidate has the candidate's."""
    if model.role == "candidate" and model is not run.submitted:
        return "also"
    return model.role if model.role in ("champion", "candidate") else "other"


def _note(model: Model, run: RunEvidence) -> str:
    if model is run.submitted:
        return "candidate, submitted"
    notes = {"optimum": "best possible", "champion": "until now", "anchor": "best champion of late"}
    return notes.get(model.role, model.role)


def _plain(value: float, digits: int = 4) -> str:
    return f"{value:.{digits}f}" if isfinite(value) else "–"


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", MINUS) if isfinite(value) else "–"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
