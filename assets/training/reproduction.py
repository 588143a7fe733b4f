"""A registered version once more: its bundle made again from the kept tables, and compared by hash."""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from assets.resources import Home
from assets.state.lake import Lake, LakeError, PastLake
from assets.tracking.pyfunc import BUNDLE_PLACES
from assets.tracking.tracking import Registered, environment
from assets.training.architectures import code_of
from assets.training.blending import blend_again
from assets.training.bundling import (
    input_tables,
    load_everything,
    load_training_data,
    write_baseline,
    write_candidate,
)
from assets.training.hooks import Hooks
from assets.training.refit import refit_code, write_refit
from assets.training.staging import staged_again
from models.baselines import BASELINES
from models.blend.scorer import BLEND
from models.bundle.bundle import MANIFEST_FILE, Manifest, bundle_hash, name_release, read_manifest
from models.config import TrainConfig
from models.mistakes import UserError
from models.stages.names import STAGED

SHOWN = 16  # digits of a hash


class ReproductionError(UserError):
    """A version could not be made again, or came out different; the message says why and what to do."""


def reproduce(home: Home, version: str, *, progress: bool = True) -> str:
    """Make the bundle of a registered version again; returns a sentence that says that it is equal.

    Works without the bundle itself: its manifest is kept in MLflow too. Raises ReproductionError.
    """
    registered = {found.version: found for found in home.tracking().versions()}.get(version)
    if registered is None:
        raise ReproductionError(f"There is no version {version}: make status lists those that there are.")
    manifest = _manifest(home, registered)
    _require_same_code(home, registered, manifest)
    lake = _lake_of(home.lake(), registered, manifest)
    folder = home.folder("reproduced") / version
    shutil.rmtree(folder, ignore_errors=True)
    if manifest.twin:
        twin = _twin(home, registered, manifest, progress)
        data, warm = load_everything(lake, manifest.source), bool(manifest.started_from)
        write_refit(folder, twin, data, Hooks(progress=progress), warm=warm)
    else:
        _make(folder, lake, manifest, partial(_start, home, registered), progress)
    name_release(folder, manifest.release)  # of the same code: all that may differ is its name
    found = bundle_hash(folder)
    what = f"Version {version} ({manifest.architecture})"
    if found != registered.bundle_hash:
        raise ReproductionError(
            f"{what} came out different: its bundle is {registered.bundle_hash[:SHOWN]}, the new one, in "
            f"{folder}, is {found[:SHOWN]}{_where(home, registered, folder)}."
        )
    return f"{what} came out equal, byte for byte: {found[:SHOWN]}, in {folder}."


def _start(home: Home, registered: Registered, digest: str) -> Path:
    """A bundle whose weights a training of a version started from."""
    bundle = home.bundles().with_hash(digest)
    if bundle is None:
        raise ReproductionError(
            f"Version {registered.version} cannot be made again: its training started from the weights of "
            f"the bundle {digest[:SHOWN]}, which is gone; NEXTPLAY_KEEP_CANDIDATES keeps more."
        )
    return bundle


def _make(folder: Path, lake: Lake, manifest: Manifest, start: Callable[[str], Path], progress: bool) -> None:
    data = load_training_data(lake, manifest.source)
    if manifest.architecture == BLEND:
        blend_again(folder, data, manifest.config, start, progress=progress)
    elif manifest.architecture in STAGED:
        staged_again(folder, manifest.architecture, data, manifest.config, start, progress=progress)
    elif manifest.architecture in BASELINES:
        write_baseline(folder, manifest.architecture, data)
    else:
        config = TrainConfig.from_dict(manifest.config)
        begun = start(manifest.started_from) if manifest.started_from else None
        write_candidate(folder, manifest.architecture, data, config, Hooks(progress=progress), begun)


def _twin(home: Home, refit: Registered, manifest: Manifest, progress: bool) -> Path:
    """The bundle that was judged in place of a refit, made again where it is gone."""
    bundle = home.bundles().with_hash(manifest.twin)
    if bundle is not None:
        return bundle
    version = home.tracking().version_of(manifest.twin)
    if version is None:
        raise ReproductionError(
            f"Version {refit.version} is a refit, and the version that was judged in its place is gone."
        )
    reproduce(home, version, progress=progress)
    return home.folder("reproduced") / version


def _manifest(home: Home, registered: Registered) -> Manifest:
    bundle = home.bundles().with_hash(registered.bundle_hash)
    if bundle is not None:
        return read_manifest(bundle)
    with tempfile.TemporaryDirectory() as aside:
        places = (f"{place}/{MANIFEST_FILE}" for place in BUNDLE_PLACES)
        found = (home.tracking().fetch(registered, place, Path(aside)) for place in places)
        kept = next(filter(None, found), None)
        if kept is None:
            raise ReproductionError(
                f"The bundle of version {registered.version} is gone, and MLflow does not keep its manifest."
            )
        return read_manifest(kept.parent)


def _require_same_code(home: Home, registered: Registered, manifest: Manifest) -> None:
    name = manifest.architecture
    now = refit_code(name) if manifest.twin else code_of(name)
    if manifest.code_version == now:
        return
    commit = home.tracking().environment_of(registered).get("commit")
    how = f"check out {commit}" if commit else "take the code that made it"
    raise ReproductionError(
        f"Version {registered.version} was made by other code: what makes a {name} is {now} here, and was "
        f"{manifest.code_version}; {how} and run this again."
    )


def _lake_of(lake: Lake, registered: Registered, manifest: Manifest) -> Lake:
    """The lake with the tables of that version as the current ones."""
    try:
        tables = input_tables(lake, manifest)
        if not tables:
            raise LakeError("no version of the table 'sequences' that is kept is the one it learned from.")
        return PastLake(lake, tables)
    except LakeError as error:
        raise ReproductionError(
            f"Version {registered.version} cannot be made again, as its data are gone: {error}"
        ) from None


def _where(home: Home, registered: Registered, folder: Path) -> str:
    """Which files differ, where the old ones are there, and what is installed otherwise than then."""
    old = home.bundles().with_hash(registered.bundle_hash)
    parts = [f"; they differ in {', '.join(_different_files(old, folder))}"] if old else []
    then, now = home.tracking().environment_of(registered), environment()
    changed = [f"{n} {then[n]} then and {now[n]} now" for n in sorted(_changed(then, now))]
    return "".join([*parts, *([f"; {', '.join(changed)}"] if changed else [])])


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> set[str]:
    return {name for name in then.keys() & now.keys() if then[name] != now[name]} - {"commit"}


def _different_files(old: Path, new: Path) -> list[str]:
    names = sorted({name for folder in (old, new) for name in _names(folder)})
    return [n for n in names if not ((old / n).exists() and (new / n).exists())
            or (old / n).read_bytes() != (new / n).read_bytes()]  # fmt: skip


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
