"""The winner, trained once more on everything known: what serves, unless its checks speak against it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from assets.contracts import checks_of
from assets.evaluation.gate import VerdictError, judged_bundle, read_verdict
from assets.formats.table import HASH, Table, flag, share, text
from assets.resources import Gate, Home, Source, Training
from assets.sequences.loading import load_split
from assets.shown.tables import columns_shown
from assets.state.lake import fingerprint
from assets.state.made_here import publish_row, read_row
from assets.training.bundling import load_everything
from assets.training.hooks import Hooks
from assets.training.members import starts_warm
from assets.training.refit import RefitError, refit_code, write_refit
from assets.training.refit_trial import Trial, try_refit
from assets.training.side_by_side import Apart
from assets.training.versions import register
from models.bundle.bundle import BundleError, bundle_hash, read_manifest

if TYPE_CHECKING:
    from models.training.reports import EpochReport

TURNED_OFF = "NEXTPLAY_REFIT=no"
REFIT = Table(
    "refit",
    "What serves of the winner: trained once more on everything, or as it was judged, and why.",
    (
        text("winner_hash", "of the bundle that was judged", matches=HASH),
        text("served_hash", "of the bundle that serves: the refit's, or again that", matches=HASH),
        flag("refitted", "whether the refit serves"),
        text("why", "what its checks found, or why there is none"),
        share("overlap", "of its top 10 with its twin's", nullable=True),
        share("coverage_at_10", "share of the catalogue in any test user's top 10", nullable=True),
        share("ndcg_at_10", "on the test plays, which it has learned from", nullable=True),
        share("twin_ndcg_at_10", "of its twin on the same, which has not", nullable=True),
    ),
    optional=True,
    answers=True,
)


@dataclass(frozen=True)
class Served:
    """The bundle that is to serve, and its judged twin; they are one where it is not refitted."""

    bundle: Path
    twin: Path

    @property
    def refitted(self) -> bool:
        return self.bundle != self.twin


@dg.asset(
    pool="training",
    kinds={"pytorch", "onnx", "mlflow"},
    deps=["gate", "sequences", "items"],
    description=REFIT.words,
    metadata=columns_shown(REFIT),
)
def refit(
    context: dg.AssetExecutionContext, home: Home, source: Source, training: Training, gate_policy: Gate
) -> dg.MaterializeResult[None]:
    verdict, started = read_verdict(home), time.monotonic()
    if not verdict.promote or verdict.winner is None:
        return dg.MaterializeResult(metadata={"refitted": "nothing: the gate promoted no model"})
    twin = judged_bundle(home, verdict.winner)
    if not training.refit:
        return _keep(home, twin, TURNED_OFF)
    try:
        folder, made_from = _train(context, home, source, training, twin)
        trial = try_refit(folder, twin, load_split(home.lake()).test, gate_policy.min_coverage)
    except (BundleError, RefitError) as error:
        return _keep(home, twin, f"The refit of {verdict.winner} failed: {error}", context.log.warning)
    if trial.faults:
        told = f"The refit of {verdict.winner} does not serve: {'; '.join(trial.faults)}."
        return _keep(home, twin, told, context.log.warning, trial)
    judged = home.tracking().version_of(bundle_hash(twin))
    version = register(home.tracking(), f"{verdict.winner} refit", made_from, folder, twin=judged)
    _publish(home, twin, folder, _in_words(trial), trial)
    return dg.MaterializeResult(
        metadata={
            "refitted": verdict.winner,
            "registered version": f"{version}, refit of version {judged}",
            "why": _in_words(trial),
            "bundle": dg.MetadataValue.path(str(folder)),
            "bundle hash": bundle_hash(folder),
            "seconds": round(time.monotonic() - started, 1),
        }
    )


@dg.asset_check(
    asset=refit,
    description="The refit passed its checks. A warning: else the bundle that was judged serves.",
)
def the_refit_serves(home: Home) -> dg.AssetCheckResult:
    row = read_row(home.lake(), REFIT) if home.lake().has(REFIT.name) else None
    good = row is None or row["refitted"] or row["why"] == TURNED_OFF
    return dg.AssetCheckResult(
        passed=bool(good),
        severity=dg.AssetCheckSeverity.WARN,
        description=row["why"] if row else "Nothing was promoted yet.",
    )


def what_serves(home: Home, winner: str) -> Served:
    """What is to serve of the winner. Raises VerdictError where no refit, or another one's, is there."""
    twin = judged_bundle(home, winner)
    row = read_row(home.lake(), REFIT) if home.lake().has(REFIT.name) else {}
    if row.get("winner_hash") != bundle_hash(twin):
        raise VerdictError(f"Nothing says what serves of {winner}: materialize the asset refit first.")
    if not row["refitted"]:
        return Served(twin, twin)
    bundle = home.bundles().current(_key(winner))
    if bundle_hash(bundle) != row["served_hash"]:
        raise VerdictError(f"The refit of {winner} is damaged: materialize the asset refit again.")
    return Served(bundle, twin)


def _train(
    context: dg.AssetExecutionContext, home: Home, source: Source, training: Training, twin: Path
) -> tuple[Path, str]:
    """The refit's bundle, made unless it is there, and what it was made from."""
    data, name = load_everything(home.lake(), source.name), read_manifest(twin).architecture
    warm = starts_warm(twin, data, training.warm_start)
    started = ["started from its twin"] if warm else []
    made_from = fingerprint("refit", bundle_hash(twin), *data.named(), refit_code(name), *started)
    checkpoints = home.folder("checkpoints", f"{_key(name)}-{made_from[:16]}")

    def tell(report: "EpochReport") -> None:
        context.log.info("Epoch %d of the refit: loss %.4f.", report.epoch, report.loss)

    def write(folder: Path) -> None:
        hooks = Hooks(checkpoints, tell, training.progress)
        write_refit(folder, twin, data, hooks, warm=warm, apart=Apart.of(home))

    return home.bundles().publish(_key(name), made_from, write), made_from


def _key(name: str) -> str:
    """Under which a refit lies beside the bundle of its architecture that was judged."""
    return f"{name}-refit"


def _keep(
    home: Home,
    twin: Path,
    why: str,
    warn: Callable[[str, str], None] | None = None,
    trial: Trial | None = None,
) -> dg.MaterializeResult[None]:
    """The judged bundle serves."""
    if warn is not None:
        warn("%s The bundle that was judged serves.", why)
    _publish(home, twin, twin, why, trial)
    return dg.MaterializeResult(
        metadata={"refitted": "nothing: the bundle that was judged serves", "why": why}
    )


def _publish(home: Home, twin: Path, bundle: Path, why: str, trial: Trial | None) -> None:
    row = {
        "winner_hash": bundle_hash(twin),
        "served_hash": bundle_hash(bundle),
        "refitted": bundle != twin,
        "why": why,
        "overlap": trial and trial.overlap,
        "coverage_at_10": trial and trial.coverage,
        "ndcg_at_10": trial and trial.ndcg,
        "twin_ndcg_at_10": trial and trial.twin_ndcg,
    }
    publish_row(home.lake(), REFIT, fingerprint("refit", row), row)


def _in_words(trial: Trial) -> str:
    return (
        f"Its top 10 shares {trial.overlap:.0%} with its twin's for {trial.users:,} test users, it shows "
        f"{trial.coverage:.1%} of the catalogue (the twin {trial.twin_coverage:.1%}), and NDCG@10 on plays "
        f"that it has learned from is {trial.ndcg:.4f} (the twin's, which has not, {trial.twin_ndcg:.4f})."
    )


REFIT_CHECKS = checks_of(REFIT)
