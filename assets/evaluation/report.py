"""The gate report: one self-contained page for each run, also kept with the candidate's run in MLflow."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from assets.evaluation.as_served_tables import AS_SERVED
from assets.evaluation.other_splits import OTHER_SPLITS
from assets.evaluation.reporting.evidence import TABLES, RunEvidence, read_evidence
from assets.evaluation.reporting.facts import alarms, stamp, write_facts
from assets.evaluation.reporting.page import STYLES, TEMPLATE, examine, headline, render
from assets.resources import Home, Training
from assets.state.bundles import MissingBundleError
from assets.state.code import made_by
from assets.state.files import replace_text
from assets.state.lake import fingerprint
from assets.training.bundling import CURVE_FILE
from models.bundle.bundle import read_manifest
from models.bundle.code import code_version

CODE = fingerprint(made_by(__name__), code_version("assets.shown.plots"))[:16]  # whose charts it holds


@dg.asset(
    pool="lake",
    kinds={"python"},
    code_version=CODE,
    deps=[*TABLES, "test_targets", "test_cohorts", "other_splits", "as_served"],
    description="Verdict, leaderboard, slices, audit and examples on one page, to decide from.",
)
def report(context: dg.AssetExecutionContext, home: Home, training: Training) -> dg.MaterializeResult[None]:
    now = datetime.now(UTC)
    shown = stamp(home, context.run.run_id, now)
    run = read_evidence(home, curves(home, training.candidates), origin(home, training.candidates), shown)
    examined, path = examine(run), report_path(home)
    page = render(run, examined)
    replace_text(path, page)
    write_facts(path, run, examined, context.run.run_id, now)
    kept = _keep(home, run, path)
    if not kept:
        context.log.warning(
            "The candidate has no run in MLflow: the report is kept in %s alone.", path.parent
        )
    return dg.MaterializeResult(
        metadata={
            "verdict": headline(run),
            "report": dg.MetadataValue.path(str(path)),
            "open": dg.MetadataValue.url(home.reports_url + path.name),
            "all nights": dg.MetadataValue.url(home.reports_url),
            "alarms": dg.MetadataValue.md("\n".join(f"- {a}" for a in alarms(examined)) or "none"),
            "kept in MLflow": kept,
            "bytes": len(page.encode()),
        }
    )


def report_path(home: Home) -> Path:
    """Where the page of the current tables is, named by them and by what makes it."""
    lake = home.lake()
    looks = [path.read_text(encoding="utf-8") for path in (TEMPLATE, *STYLES)]
    tables = [
        lake.current(table).fingerprint
        for table in (*TABLES, *filter(lake.has, [AS_SERVED.name, OTHER_SPLITS.name]))
    ]
    return home.folder("reports") / f"{fingerprint('report', CODE, looks, tables)[:16]}.html"


def curves(home: Home, candidates: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, float]]]:
    """The learning curve of each candidate's current bundle, where it has one."""
    found = {}
    for name in candidates:
        try:
            path = home.bundles().current(name) / CURVE_FILE
        except MissingBundleError:
            continue
        if path.exists():
            found[name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def origin(home: Home, candidates: Sequence[str]) -> Mapping[str, str]:
    """What the run was made from."""
    lake = home.lake()
    made_from = {f"table {table}": lake.current(table).fingerprint[:16] for table in TABLES}
    for name in candidates:
        try:
            manifest = read_manifest(home.bundles().current(name))
        except MissingBundleError:
            continue
        return {
            "source": manifest.source,
            "split": manifest.split,
            "code of models": manifest.code_version,
            **made_from,
        }
    return made_from


def _keep(home: Home, run: RunEvidence, path: Path) -> bool:
    """Whether the page could be put beside the candidate's bundle in MLflow."""
    tracking, candidate = home.tracking(), run.submitted
    version = tracking.version_of(candidate.row["bundle_hash"]) if candidate else None
    if version is None:
        return False
    tracking.attach(tracking.run_of(version), path, "report")
    return True
