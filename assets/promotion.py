"""Promotion: the champion's alias in MLflow, then the pointer that serving follows; and the way back."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import dagster as dg

from assets.gating import read_verdict
from assets.io.files import replace_text
from assets.packaging import answered_bento, baseline_folders
from assets.resources import Home
from models.bundle import bundle_hash
from models.pointer import Pointer, read_pointer


class PromotionError(Exception):
    """A champion cannot be set; the message says why and what to do."""


@dg.asset(
    group_name="serving",
    kinds={"mlflow"},
    deps=["gate", "bento"],
    description="Moves the champion's alias, then the pointer that serving follows: the last step of a run.",
)
def promotion(home: Home) -> dg.MaterializeResult[None]:
    verdict, before = read_verdict(home), read_pointer(home.pointer_file)
    if not verdict.promote or verdict.winner is None:
        kept = f"version {before.version}" if before else "none"
        return dg.MaterializeResult(metadata={"promoted": False, "champion": kept, "why": verdict.reasons[0]})
    bundle = home.bundles().current(verdict.winner)
    digest, bento = bundle_hash(bundle), answered_bento(home)
    if bento.bundle_hash != digest:
        raise PromotionError(
            f"The Bento that answered is not that of {bundle.name}: materialize the asset bento first."
        )
    version = home.tracking().version_of(digest)
    if version is None:
        raise PromotionError(
            f"{bundle.name} is not registered in MLflow: materialize the asset {verdict.winner} first."
        )
    home.tracking().set_champion(version)
    if before is None or before.bundle_hash != digest:
        reason = f"{verdict.winner}: {verdict.reasons[0]}"
        beaten = {name: str(folder) for name, folder in baseline_folders(home, verdict.winner).items()}
        pointer = Pointer(str(bundle), version, digest, time.time(), reason, bento.tag, beaten)
        _publish(home, before, pointer)
    return dg.MaterializeResult(
        metadata={
            "promoted": True,
            "champion": f"version {version} ({verdict.winner})",
            "Bento": bento.tag,
            "why": verdict.reasons[0],
        }
    )


def rollback(home: Home) -> Pointer:
    """Set the champion before this one back, alias and pointer; raises PromotionError when there is none."""
    now = read_pointer(home.pointer_file)
    earlier = [p for p in past_champions(home) if now is None or p.bundle_hash != now.bundle_hash]
    if now is None or not earlier:
        raise PromotionError("There is no earlier champion to go back to.")
    back = replace(earlier[-1], promoted_at=time.time(), reason=f"rolled back from version {now.version}")
    if not back.folder(home.pointer_file).exists():
        raise PromotionError(
            f"The bundle of version {back.version} is gone: {back.folder(home.pointer_file)}."
        )
    home.tracking().set_champion(back.version)
    replace_text(home.pointer_file, back.to_json())
    _write_past(home, earlier[:-1])
    return back


def past_champions(home: Home) -> list[Pointer]:
    """The pointers that were replaced, oldest first."""
    path = _past_file(home)
    return [Pointer(**values) for values in json.loads(path.read_text())] if path.exists() else []


def _publish(home: Home, before: Pointer | None, pointer: Pointer) -> None:
    """Keep the old pointer, then replace it: a crash in between leaves the old champion serving."""
    if before is not None:
        _write_past(home, [p for p in past_champions(home) if p.bundle_hash != before.bundle_hash] + [before])
    replace_text(home.pointer_file, pointer.relative_to(home.pointer_file.parent).to_json())


def _write_past(home: Home, pointers: list[Pointer]) -> None:
    replace_text(_past_file(home), json.dumps([asdict(p) for p in pointers], indent=2))


def _past_file(home: Home) -> Path:
    return home.pointer_file.with_name("past.json")
