"""Promotion: the pointer that serving follows, then the champion's alias in MLflow; and the ways by hand."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from assets.evaluation.anchor import settle_anchor
from assets.evaluation.gate import judged_anchor, read_verdict
from assets.release.bento import BentoError, answered_bento, ask_golden, baseline_folders, build, served
from assets.release.judged import tell_tracking
from assets.release.refit import Served, what_serves
from assets.resources import Home
from assets.state.champions import Champions, Incumbent
from assets.training.bundling import input_tables
from models.bundle.bundle import BundleError, OtherFormatError, bundle_hash, read_manifest
from models.mistakes import UserError
from models.opening import check_sound
from serving.state.pointer import Pointer

log = logging.getLogger(__name__)

# How the reasons of champions begin that no run has set.
BY_HAND = ("promoted by ", "rolled back from ", "set again, ")


class PromotionError(UserError):
    """A champion cannot be set; the message says why and what to do."""


champion = dg.AssetSpec(
    "champion",
    deps=["promotion"],
    description="The model that serves. Made when it changes: a refused candidate leaves it, and its age, as "
    "they are.",
)


@dg.asset(
    pool="lake",
    kinds={"mlflow"},
    deps=["gate", "refit", "bento", "as_served"],  # the last judges what serves until now
    description="Moves the pointer that serving follows, then the alias: nothing refuses after it.",
)
def promotion(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[None]:
    verdict, before = read_verdict(home), _before(context, home.champions())
    tell_tracking(home, verdict)
    if verdict.promote and verdict.winner is not None:
        told = _crown(context, home, verdict.winner, verdict.why, before)
    else:
        told = _keep(home, verdict.why, before)
    settle_anchor(home, judged_anchor(home))
    return dg.MaterializeResult(metadata=told)


def _keep(home: Home, why: str, before: Pointer | None) -> dict[str, Any]:
    """The champion stays."""
    if before and home.tracking().version_of(before.bundle_hash) == before.version:
        home.tracking().set_champion(before.version)  # a kill between alias and pointer leaves another
    return {"promoted": False, "champion": f"version {before.version}" if before else "none", "why": why}


def _crown(
    context: dg.AssetExecutionContext, home: Home, winner: str, why: str, before: Pointer | None
) -> dict[str, Any]:
    """What serves of the winner is the champion, unless it is already, as after a kill."""
    serves, bento = what_serves(home, winner), answered_bento(home)
    digest, name = bundle_hash(serves.bundle), serves.bundle.name
    if bento.bundle_hash != digest:
        raise PromotionError(
            f"The Bento that answered is not that of {name}: materialize the asset bento first."
        )
    version = home.tracking().version_of(digest)
    if version is None:
        raise PromotionError(
            f"{name} is not registered in MLflow: materialize the assets {winner} and refit first."
        )
    home.tracking().judged(version, {}, f"promoted: {why}")
    if before is None or before.bundle_hash != digest:
        reason = f"{winner}: {why}"
        pointer = _pointer(serves, version, reason, bento.tag, baseline_folders(home, winner))
        home.champions().crown(pointer, home.lake().published())
        told = {"version": version, "why": reason}
        context.log_event(dg.AssetMaterialization(champion.key, metadata=told))
    else:
        home.champions().tell_of(before)
    return {"promoted": True, "champion": f"version {version} ({winner})", "Bento": bento.tag, "why": why}


def promote(home: Home, version: str, by: str, why: str) -> Pointer:
    """Make a registered version the champion by a person's decision; raises PromotionError.

    Its Bento is built, started and must give the bundle's golden answers first. A version that is champion
    already stays so, as it was set.
    """
    if not by.strip() or not why.strip():
        raise PromotionError(
            "A promotion by hand needs who and why: make promote VERSION=3 BY=ada REASON='the old one fails'."
        )
    registered = {found.version: found.bundle_hash for found in home.tracking().versions()}
    digest = registered.get(version)
    if digest is None:
        raise PromotionError(f"There is no version {version}: make status lists those that there are.")
    bundle = home.bundles().with_hash(digest)
    if bundle is None:
        raise PromotionError(f"The bundle of version {version} is gone or damaged: promote another version.")
    try:
        serves = Served(bundle, _twin_of(home, version, bundle))
        check_sound(bundle, digest)
        beaten = baseline_folders(home, read_manifest(bundle).architecture)
        tag = build(bundle, beaten, home.folder("bentoml"))
        with served(tag, home.folder("bentoml")) as address:
            ask_golden(address, bundle)
    except (BentoError, BundleError) as error:
        raise PromotionError(f"Version {version} is not promoted: {error}") from error
    now, reason = home.champions().whole(), f"promoted by {by.strip()}: {why.strip()}"
    if now is not None and now.bundle_hash == digest:
        home.champions().tell_of(now)
        return now
    pointer = _pointer(serves, version, reason, tag, beaten)
    home.champions().crown(pointer, input_tables(home.lake(), read_manifest(bundle)), by_hand=True)
    return pointer


def _twin_of(home: Home, version: str, bundle: Path) -> Path:
    """The judged bundle of a registered one: of a refit its twin, of another that itself."""
    twin = read_manifest(bundle).twin
    if not twin:
        return bundle
    found = home.bundles().with_hash(twin)
    if found is None:
        raise PromotionError(
            f"Version {version} is a refit, and the bundle that was judged in its place is gone or damaged: "
            "later candidates could not be compared with it. Promote another version."
        )
    return found


def _pointer(serves: Served, version: str, reason: str, bento: str, baselines: Mapping[str, Path]) -> Pointer:
    """To what serves from now on, and to the bundle that was judged where a refit serves."""
    beside = {name: str(folder) for name, folder in baselines.items()}
    digest = bundle_hash(serves.bundle)
    made = Pointer(str(serves.bundle), version, digest, time.time(), reason, bento, beside)
    if not serves.refitted:
        return made
    return replace(made, judged=str(serves.twin), judged_hash=bundle_hash(serves.twin))


def rollback(home: Home, seen: Incumbent | None = None, tell: Callable[[str], None] = log.warning) -> Pointer:
    """Set the last sound champion before this one back; raises PromotionError when there is none.

    Where the pointer is damaged, the champion that it named is set again. `tell` hears of each that is passed
    over, as its bundle is damaged. `seen` is the champion that whoever asks wants to be rid of: where a run
    has set another one since, going back would lead to that very one. A rollback that was killed is finished,
    and goes no further.
    """
    champions, finished = home.champions(), home.finished
    if finished is not None and finished.back:
        tell("A rollback that was stopped on its way is finished: it goes no further back.")
        return finished.pointer
    if finished is not None or (seen is not None and champions.incumbent() != seen):
        raise PromotionError(
            "Nothing is rolled back, for the champion has changed while this waited for another run: look at "
            "make status, and ask again if the new one is no better."
        )
    past, reason = _way_back(champions)
    if not past:
        raise PromotionError("There is no earlier champion to go back to.")
    sound = _last_sound(champions, past, tell)
    if sound is None:
        versions = ", ".join(pointer.version for pointer in past)
        raise PromotionError(
            f"Nothing is rolled back: none of the earlier champions (version {versions}) can serve. Restore "
            "their bundles from a backup, or train a new one with make run."
        )
    if passed := past[sound + 1 :]:
        reason += f", past version {', '.join(p.version for p in reversed(passed))}, which cannot serve"
    back = replace(past[sound], promoted_at=time.time(), reason=reason)
    tables = {r.pointer.bundle_hash: r.tables for r in champions.history()}
    champions.restore(back, past[:sound], tables.get(back.bundle_hash, {}))
    return back


def _way_back(champions: Champions) -> tuple[list[Pointer], str]:
    """Those who may be set back, oldest first, and why one is."""
    now, past = champions.whole(), champions.past()
    if now is not None:
        others = [pointer for pointer in past if pointer.bundle_hash != now.bundle_hash]
        return others, f"rolled back from version {now.version}"
    last = [reign.pointer for reign in champions.history()[-1:]]
    return [*past, *last], "set again, as its pointer was missing or damaged"


def _last_sound(champions: Champions, past: Sequence[Pointer], tell: Callable[[str], None]) -> int | None:
    """The place of the newest champion that can serve."""
    for place, pointer in reversed(list(enumerate(past))):
        try:
            check_sound(champions.folder(pointer), pointer.bundle_hash)
        except BundleError as error:
            tell(f"Version {pointer.version} is passed over: {error}")
            continue
        return place
    return None


def _before(context: dg.AssetExecutionContext, champions: Champions) -> Pointer | None:
    try:
        return champions.current()
    except OtherFormatError:
        raise
    except BundleError as error:
        context.log.warning("%s", error)
        return None
