"""What is said of a report elsewhere: a small JSON file beside the page, of the same name."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from assets.evaluation.leaderboard import leaderboard_rows
from assets.evaluation.reporting.checks import Check
from assets.evaluation.reporting.evidence import RunEvidence
from assets.evaluation.reporting.page import CHAMPION, Examined, headline, lead
from assets.resources import Home
from assets.state.files import replace_text
from models.bundle.formats import Format, format_in

FORMATS = Format(1)


def facts_path(report: Path) -> Path:
    """When and by which run a report was made, what was decided and why, and what asks for a look."""
    return report.with_suffix(".json")


def write_facts(report: Path, run: RunEvidence, examined: Examined, run_id: str, made: datetime) -> None:
    """Write the JSON beside a report."""
    facts = {
        "format": FORMATS.current,
        "made": made.isoformat(timespec="seconds"),
        "run_id": run_id,
        "headline": headline(run),
        "lead": lead(run),
        "promote": run.verdict.promote,
        "winner": run.verdict.winner,
        "candidate": run.submitted.name if run.submitted else None,
        "why": run.verdict.why,
        "checks": len(examined.checks),
        "alarms": alarms(examined),
        "for_a_person": [_told(c) for c in examined.checks if c.suspicious and not c.nothing_to_do],
    }
    replace_text(facts_path(report), json.dumps(facts, indent=2))


def read_facts(report: Path) -> Mapping[str, Any]:
    """What was written beside a report; nothing where it is from before that was done, or cannot be read."""
    try:
        found: Mapping[str, Any] = json.loads(facts_path(report).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict) or FORMATS.problem("The report", format_in(found)):
        return {}
    return found


def newest_facts(reports: Path) -> Mapping[str, Any]:
    """What was written beside the newest report of a folder; nothing where there is none."""
    newest = max(reports.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, default=None)
    return read_facts(newest) if newest else {}


def alarms(examined: Examined) -> list[str]:
    """The question and the finding of each check that asks for a look."""
    return [_told(check) for check in examined.checks if check.suspicious]


def _told(check: Check) -> str:
    return f"{check.question} {check.found}"


def stamp(home: Home, run_id: str, made: datetime) -> Mapping[str, str]:
    """When a report was made, by which run, and which version each candidate and the champion are."""
    versions = {found.bundle_hash: found.version for found in home.tracking().versions()}
    shown = {"of": f"{made:%Y-%m-%d %H:%M} UTC", "run": run_id}
    for row in leaderboard_rows(home.lake()):
        if row["role"] in ("candidate", "champion") and row["bundle_hash"] in versions:
            name = CHAMPION if row["role"] == "champion" else row["model"]
            shown[name] = f"version {versions[row['bundle_hash']]}"
    return shown
