"""Keeps the last candidates and every champion with its inputs; the rest goes at the end of a run.

What may go is decided in `assets.release.removals`. Whatever goes is renamed first and deleted after, so that
a run killed on the way leaves nothing half there, and the next one goes on: each kind is looked at anew
every time.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path

import dagster as dg

from assets.evaluation.report import report_path
from assets.evaluation.reporting.facts import facts_path
from assets.release.bento import answered_bento
from assets.release.removals import Bundle, Crowned, Inventory, Removals, Version, removals
from assets.release.run_records import old_runs, records_size, remove_runs
from assets.release.stored import trim
from assets.resources import Home, Retention
from assets.state import apart
from assets.state.champions import Reign
from assets.state.lake import LakeError
from assets.training.bundling import input_tables
from models.bundle.bundle import BundleError, bundle_hash, read_manifest
from serving.state.pointer import Pointer

REMOVED = "removed-"
FOLDERS = ("checkpoints", "bentos", "reproduced")  # of which each entry is one
NIGHTS_PAGE = "index.html"  # beside the reports that it lists
ELSEWHERE = (
    "Nothing is removed, but for Dagster's records of old runs: the lake is on an object store, whose own "
    "rules say what is kept."
)


@dg.asset(
    pool="lake",
    name="retention",
    kinds={"python"},
    deps=["promotion", "batch_recommendations", "report"],
    description="Removes what no champion and none of the last candidates needs; comes last in a run.",
)
def retention_asset(
    context: dg.AssetExecutionContext, home: Home, retention: Retention
) -> dg.MaterializeResult[None]:
    stored = {"removed from the event store": dg.MetadataValue.json(trim(home, retention))}
    plan = plan_removals(home, retention, context.instance)
    size = removal_size(home, plan, context.instance)
    remove(home, plan, context.instance)
    removed = {kind: len(names) for kind, names in vars(plan).items()}
    told = {"kept": ELSEWHERE} if home.lake_address else {}
    return dg.MaterializeResult(
        metadata={"removed": dg.MetadataValue.json(removed), "bytes": sum(size.values()), **told, **stored}
    )


def plan_removals(home: Home, keep: Retention, instance: dg.DagsterInstance | None = None) -> Removals:
    """What may go now, Dagster's records of runs with it where the instance that has them is given.

    With the lake on an object store that is all. Raises LakeError or BundleError where what has to be kept
    cannot be told.
    """
    there = Inventory() if home.lake_address else inventory(home)
    records = old_runs(instance, home, keep.runs_days) if instance else []
    return removals(replace(there, records=records), keep.candidates, keep.champions)


def remove(home: Home, plan: Removals, instance: dg.DagsterInstance | None = None) -> None:
    """Carry a plan out; the caller holds the home's lock."""
    if instance:
        remove_runs(instance, plan.records)
    if not home.lake_address:
        _remove_from_home(home, plan)


def _remove_from_home(home: Home, plan: Removals) -> None:
    _sweep(home)
    store, lake = home.bundles(), home.lake()
    for name in plan.bundles:
        store.remove(home.folder("bundles") / name)
    for table, made_from in plan.tables:
        lake.remove(table, made_from)
    for folder in (path for kind in FOLDERS for path in _paths(home, kind, plan)):
        aside = home.folder("bentoml", "tmp") / f"{REMOVED}{folder.parent.name}-{folder.name}"
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(FileNotFoundError):  # what is being reproduced once more, without the lock
            folder.replace(aside)
        shutil.rmtree(aside, ignore_errors=True)
    for report in _paths(home, "reports", plan):
        report.unlink(missing_ok=True)
        facts_path(report).unlink(missing_ok=True)
    for ranks in _paths(home, "ranks", plan):
        ranks.unlink(missing_ok=True)
    for night in _paths(home, "as_served", plan):
        apart.remove_apart(night)
    # Last: a bundle that is there without a version counts as one of a killed run, which is kept.
    home.tracking().discard(plan.registered, plan.runs)


def removal_size(home: Home, plan: Removals, instance: dg.DagsterInstance | None = None) -> dict[str, int]:
    """Bytes that each kind gives back on the disk; what is a row of a database counts nothing."""
    records = {"records": records_size(instance, plan.records) if instance else 0}
    return records if home.lake_address else records | _size_in_home(home, plan)


def _size_in_home(home: Home, plan: Removals) -> dict[str, int]:
    lake = home.lake()
    paths: dict[str, Iterable[Path]] = {
        "bundles": _paths(home, "bundles", plan),
        "tables": [v.path.parent for t in plan.tables for v in lake.versions(t[0]) if v.fingerprint == t[1]],
        "checkpoints": _paths(home, "checkpoints", plan),
        "bentos": _paths(home, "bentos", plan),
        "reports": _paths(home, "reports", plan),
        "runs": [home.folder("mlflow", "artifacts") / run for run in plan.runs],
        **{kind: _paths(home, kind, plan) for kind in ("reproduced", "ranks", "as_served")},
    }
    return {kind: sum(_size(path) for path in some) for kind, some in paths.items()}


def inventory(home: Home) -> Inventory:
    """What is there."""
    tracking, champions, lake = home.tracking(), home.champions(), home.lake()
    registered = {version.version: version.bundle_hash for version in tracking.versions()}
    now, reigns, anchor = champions.current(), champions.history(), champions.anchor()
    known = {reign.pointer.bundle_hash for reign in reigns}
    others = [p for p in [*champions.past(), *([now] if now else [])] if p.bundle_hash not in known]
    by_run: dict[str, list[str]] = {run: [] for run in tracking.runs()}
    for version in tracking.versions():
        by_run.setdefault(version.run_id, []).append(version.version)
    return Inventory(
        bundles=list(_bundles(home, registered)),
        current_bundles=frozenset(home.bundles().currents().values()),
        champions=[_crowned(home, reign) for reign in [*map(Reign, others), *reigns]],
        now=now.bundle_hash if now else None,
        past=[pointer.bundle_hash for pointer in champions.past()],
        alias=registered.get(tracking.champion() or ""),
        registered=registered,
        tables={t: [v.fingerprint for v in lake.versions(t)] for t in lake.tables()},
        published=lake.published(),
        checkpoints=_names(_folder(home, "checkpoints")),
        bentos=_names(_folder(home, "bentos")),
        answered_bento=_answered(home),
        anchor=anchor.bundle if anchor else "",
        reports=_names(_folder(home, "reports")),
        current_report=_current_report(home),
        runs=by_run,
        reproduced=_names(home.folder() / "reproduced"),
        ranks=_by_age(_folder(home, "ranks").glob("*.npy")),
        as_served=apart.homes_apart(home.folder()),
    )


def _bundles(home: Home, registered: Mapping[str, str]) -> Iterator[Bundle]:
    lake, numbers = home.lake(), {digest: int(version) for version, digest in registered.items()}
    for folder in home.bundles().folders():
        digest = bundle_hash(folder)
        try:
            manifest = read_manifest(folder)
            architecture, inputs = manifest.architecture, frozenset(input_tables(lake, manifest).items())
            architecture += "-refit" * bool(manifest.twin)
            started_from = manifest.started_from
        except BundleError:  # damaged: made again when it is needed
            architecture, inputs = folder.name.rpartition("-")[0], frozenset[Version]()
            started_from = ""
        yield Bundle(folder.name, architecture, digest, numbers.get(digest), inputs, started_from)


def _crowned(home: Home, reign: Reign) -> Crowned:
    pointer: Pointer = reign.pointer
    return Crowned(
        digest=pointer.bundle_hash,
        bundle=home.champions().folder(pointer).name,
        twin=home.champions().twin(pointer).name,
        baselines=frozenset(path.name for path in pointer.baseline_folders(home.pointer_file).values()),
        bento=pointer.bento.rpartition(":")[2],
        tables=frozenset(reign.tables.items()),
    )


def _answered(home: Home) -> str:
    return answered_bento(home).tag.rpartition(":")[2] if home.lake().has("bento") else ""


def _current_report(home: Home) -> str:
    try:
        return report_path(home).name
    except LakeError:
        return ""


def _folder(home: Home, kind: str) -> Path:
    deeper = {"bentos": ("bentoml", "bentos", "nextplay"), "ranks": ("tuning", "ranks")}
    return home.folder().joinpath(*deeper.get(kind, (kind,)))


def _paths(home: Home, kind: str, plan: Removals) -> list[Path]:
    names: Sequence[str] = getattr(plan, kind)
    return [_folder(home, kind) / name for name in names]


def _names(folder: Path) -> list[str]:
    """The finished entries of a folder, oldest first."""
    entries = [path for path in folder.glob("[!.]*") if path.is_dir() or path.suffix == ".html"]
    entries = [path for path in entries if path.name != NIGHTS_PAGE]
    return _by_age(entries)


def _by_age(entries: Iterable[Path]) -> list[str]:
    return [path.name for path in sorted(entries, key=lambda path: (path.stat().st_mtime_ns, path.name))]


def _sweep(home: Home) -> None:
    """What a killed removal left; under the home's lock nobody else works there."""
    folders = (
        home.folder("bundles").glob(".unfinished-*"),
        home.folder("bentoml", "tmp").glob(f"{REMOVED}*"),
    )
    for aside in chain(*folders):
        shutil.rmtree(aside, ignore_errors=True)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
