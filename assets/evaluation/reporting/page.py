"""The report's page: evidence in, one self-contained HTML text out. No clock, no network, no randomness."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from assets.evaluation.reporting.apart import as_served, as_served_figure, cohort_tables, other_splits
from assets.evaluation.reporting.checks import Check, checks
from assets.evaluation.reporting.comparisons import Compared, by_slice, paired
from assets.evaluation.reporting.evidence import RunEvidence
from assets.evaluation.reporting.examples import examples
from assets.evaluation.reporting.tables import (
    audit_table,
    difference_table,
    exposure,
    leaderboard,
    signed,
)
from assets.shown.charts import STYLE
from assets.shown.plots import learning_curve
from models.evaluation.audit import describe

FOLDER = Path(__file__).parent
TEMPLATE, STYLES = FOLDER / "page.html", (STYLE, FOLDER / "style.css")
CHAMPION = "champion until now"  # in the stamp of a run


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
                    signed(r.difference),
                    f"95 % interval {signed(r.low)} to {signed(r.high)}",
                )
            )
    alarms = sum(check.suspicious for check in made)
    value = f"{alarms} alarm{'s' if alarms > 1 else ''}" if alarms else "no alarm"
    calm = len(made) - alarms
    note = f"{calm} of {len(made)} are as expected: see below" if alarms else f"all {calm} are as expected"
    return [*figures, ("checks for faults", value, note)]


def learning_curves(run: RunEvidence) -> list[tuple[str, Markup]]:
    """For each candidate its validation and its loss by epoch: what is drawn, and the drawing."""
    drawn = []
    for name, points in run.curves.items():
        best = max(points, key=lambda point: (point["ndcg"], -point["epoch"]))
        for field, unit in (("ndcg", "validation NDCG@10"), ("loss", "training loss")):
            kept = f"{name}, {unit}: {best[field]:.4f} at epoch {best['epoch']:.0f}, which was kept"
            drawn.append((kept, learning_curve(points, field, unit)))
    return drawn


def _by_other(slices: Sequence[Compared]) -> list[tuple[str, list[Compared]]]:
    grouped: dict[str, list[Compared]] = {}
    for compared in slices:
        what = "" if compared.other.role == "champion" else ", the best baseline"
        grouped.setdefault(f"{compared.other.label}{what}", []).append(compared)
    return list(grouped.items())
