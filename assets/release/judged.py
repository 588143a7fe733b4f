"""What the test and the gate said of tonight's models, beside their registered versions in MLflow."""

from assets.evaluation.leaderboard import by_validation, leaderboard_rows
from assets.resources import Home
from models.evaluation.evidence import Verdict

JUDGED = ("baseline", "candidate")
SHOWN = ("ndcg_at_10", "hr_at_10", "mrr_at_10", "coverage_at_10")


def tell_tracking(home: Home, verdict: Verdict) -> None:
    """Test metrics to the run of each model of the leaderboard, and to its version what became of it."""
    tracking = home.tracking()
    rows = leaderboard_rows(home.lake())
    candidates = [row for row in rows if row["role"] == "candidate"]
    submitted = min(candidates, key=by_validation, default=None)
    for row in rows:
        version = tracking.version_of(row["bundle_hash"]) if row["role"] in JUDGED else None
        if version is None:
            continue
        name = row["architecture"]
        metrics = {f"test {metric}": float(row[metric]) for metric in SHOWN}
        tracking.judged(version, metrics, _verdict_on(name, verdict, row is submitted))


def _verdict_on(name: str, verdict: Verdict, submitted: bool) -> str:
    if verdict.promote and verdict.winner == name:
        return f"promoted: {verdict.why}"
    return f"refused: {verdict.why}" if submitted else "not submitted"
