"""Who is champion and why, what is stale, how large it all is, how the last run went."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from assets.evaluation.as_served import in_words, latest
from assets.evaluation.reporting.facts import newest_facts
from assets.resources import Home, Shared
from assets.state.champions import Champions
from assets.state.lake import LakeError
from assets.training.bundling import data_fingerprint
from models.bundle.bundle import BundleError, Manifest, OtherFormatError, bundle_hash, read_manifest
from models.mistakes import UserError
from pipelines.coming import next_night
from pipelines.instance import InstanceError, killed_runs, open_instance
from pipelines.operator.backups import about_backup, backups_to_look_at
from pipelines.operator.history import SHOWN, Night, Run, read_nights
from pipelines.operator.stored_events import about_events, size_elsewhere
from pipelines.records import EVERYTHING
from pipelines.resources import Settings
from serving.state.pointer import Pointer

SECONDS_A_DAY = 86_400
Found = TypeVar("Found")
Otherwise = TypeVar("Otherwise")
ANSWER_WITHIN_S = 30.0  # of a shared MLflow
UNKNOWN = "unknown: DAGSTER_HOME is not set"
AT_WORK = ("under way", "waiting", "queued")
PARTS = (
    *("lake", "raw", "bundles", "checkpoints", "mlflow", "bentoml", "reports", "events"),
    *("as_served", "dagster"),
)


@dataclass(frozen=True)
class Champion:
    """A champion; `since` is in seconds since the epoch."""

    version: str
    architecture: str
    since: float
    why: str
    bento: str
    learned: str = ""  # from what, where that is more than what it was judged by


@dataclass(frozen=True)
class Version:
    """A registered version that `make promote` takes."""

    version: str
    description: str


@dataclass(frozen=True)
class Registry:
    """What MLflow holds: versions, newest first, and which of them carries the champion's alias."""

    versions: list[Version]
    champion: str | None


NOT_READ = Registry([], None)


@dataclass(frozen=True)
class Status:
    """What `make status` shows. Sizes are in bytes."""

    home: str
    champion: Champion | None
    before: list[Champion]  # newest first
    versions: list[Version]  # newest first
    attention: list[str]  # what is stale or wrong, and what to do
    sizes: dict[str, int]
    last_run: Run | None
    nights: list[Night]  # newest first
    next_night: str  # when the schedule ticks next, or why it does not
    alarms: list[str]  # what the checks of the newest report ask a person to look at
    as_served: str  # what is served, as it was measured last; empty where it never was
    backup: str  # what came of the last one; empty where there is none, and none is to be


def read_status(settings: Settings, home: Home, most: int = SHOWN) -> Status:
    """Reads alone, of the last nights so many: it waits for nobody, and may be asked while a run works.

    Whatever cannot be read is named under `attention`, and the rest is shown.
    """
    champions, unread = home.champions(), list[str]()
    now = _part(unread, "The champion's pointer", champions.whole, None)
    registry = _part(unread, "MLflow's store", partial(_registry, home), NOT_READ)
    past = _part(unread, "The champions before", champions.past, list[Pointer]())
    reigns = _part(
        unread, "The history of champions", lambda: [r.pointer for r in champions.history()], list[Pointer]()
    )
    nobody = (list[Night](), "unknown: Dagster's records cannot be read")
    nights, coming = _part(unread, "Dagster's records", partial(_nights, settings, reigns, most), nobody)
    facts = _part(unread, "The newest report", lambda: newest_facts(home.folder("reports")), dict[str, Any]())
    elsewhere = _part(unread, "The event store", partial(size_elsewhere, home), dict[str, int]())
    wrong = list[str]()
    _part(unread, "The home", lambda: wrong.extend(attention(settings, home, now, nights, registry)), None)
    return Status(
        home=str(home.folder()),
        champion=_part(unread, "The champion", partial(_told_of, champions, now), None),
        before=[with_architecture(champions, pointer) for pointer in reversed(past)],
        versions=registry.versions if registry else [],
        attention=list(dict.fromkeys([*unread, *wrong])),
        sizes={part: size(home.folder() / part) for part in PARTS if (home.folder() / part).exists()}
        | elsewhere,
        last_run=_last_run(nights),
        nights=nights,
        next_night=coming,
        alarms=_alarms(facts),
        as_served=_part(unread, "What was served", partial(_as_served, home), ""),
        backup=_part(unread, "The last backup", lambda: about_backup(settings, home.folder()), ""),
    )


def _part(unread: list[str], what: str, read: Callable[[], Found], otherwise: Otherwise) -> Found | Otherwise:
    """What `read` finds; where it fails `unread` says so in a sentence. Raises InstanceError."""
    try:
        return read()
    except InstanceError:  # a wrong setting, and not a part that cannot be read
        raise
    except UserError as error:
        unread.append(str(error))
    except Exception as error:  # a page for whom something is broken may not break on it
        said = " ".join(str(error).split())[:200]
        unread.append(f"{what} cannot be read ({type(error).__name__}: {said}): the rest is shown.")
    return otherwise


def _told_of(champions: Champions, now: Pointer | None) -> Champion | None:
    return with_architecture(champions, now) if now else None


def _as_served(home: Home) -> str:
    try:
        return in_words(latest(home.lake()))
    except LakeError:  # told of elsewhere
        return ""


def _alarms(facts: Mapping[str, Any]) -> list[str]:
    """Those that a person can do something about; reports of earlier versions do not tell them apart."""
    return list(facts.get("for_a_person", facts.get("alarms", [])))


def _nights(settings: Settings, champions: Sequence[Pointer], most: int) -> tuple[list[Night], str]:
    """What happened lately, and when the next night comes, where Dagster's home is known."""
    if not os.environ.get("DAGSTER_HOME"):
        return [], UNKNOWN
    with open_instance() as instance:
        nights = read_nights(instance, champions, killed_runs(instance, settings.home), most)
        return nights, next_night(settings, instance, time.time())


def _last_run(nights: Sequence[Night]) -> Run | None:
    """The newest run of them all, by its start; one that waits for it is the newest.

    One that was stopped while it waited has an end alone.
    """
    runs = [run for night in nights for run in night.runs]
    return max(runs, key=lambda run: run.started or run.ended or time.time(), default=None)


def attention(
    settings: Settings,
    home: Home,
    now: Pointer | None,
    nights: Sequence[Night],
    registry: Registry | None,
) -> Iterator[str]:
    """One sentence for each thing that is stale or wrong."""
    try:
        if home.champions().current() is None:
            yield _no_champion(nights)
    except OtherFormatError as error:
        yield str(error)
    except BundleError as error:
        yield f"{error} Set it again: make rollback."
    if now is not None:
        yield from _about_champion(settings, home, now)
    if registry is None:
        yield "MLflow does not answer, so nothing is said of it: look at what NEXTPLAY_MLFLOW_URI names."
    elif registry is not NOT_READ and now is not None and registry.champion != now.version:
        yield (
            f"MLflow's champion is version {registry.champion or 'none'}, the pointer's is {now.version}: "
            "the pointer is what serves; the next run sets both."
        )
    yield from about_events(home)
    yield from backups_to_look_at(settings, home.folder())
    yield from _about_runs([night for night in nights if night.runs])


def _no_champion(nights: Sequence[Night]) -> str:
    refused = next((night.said for night in nights if night.outcome.startswith("refused")), None)
    if refused:
        return f"There is no champion: the last candidate was refused. {refused}"
    return "There is no champion yet: make run."


def _about_runs(nights: Sequence[Night]) -> Iterator[str]:
    """The newest run of everything, the newest one of some assets, and those that are under way."""
    whole = next((night for night in nights if night.runs[-1].what == EVERYTHING), None)
    for night in (n for n in nights[:1] if n is not whole):
        if night.runs[-1].outcome == "FAILURE":
            yield f"The last run, of {night.runs[-1].what}, failed. {night.said}"
    if whole is not None:
        yield from _about_night(whole)
    working = [night.runs[-1] for night in nights if night.runs[-1].result in AT_WORK]
    if len(working) > 1:
        ids = " and ".join(f"{run.run_id[:8]} ({run.how}, {run.result})" for run in working)
        yield f"{len(working)} runs are under way, and one works at a time: {ids}."


def _about_night(night: Night) -> Iterator[str]:
    run = night.runs[-1]
    if run.result == "interrupted":
        yield f"The last run was interrupted. {run.said}"
    elif run.outcome == "FAILURE":
        yield f"The last run failed. {run.said} make ui shows more."
    elif run.outcome == "CANCELED":
        yield "The last run was stopped before its end: make run goes on from what is finished."
    if run.outcome != "FAILURE" and night.runs[:-1]:
        first = night.runs[0]
        times = "" if len(night.runs) == 2 else f" {len(night.runs) - 1} times"
        yield f"The last run failed{times} before it was tried again, at first so: {first.said}"


def _about_champion(settings: Settings, home: Home, now: Pointer) -> Iterator[str]:
    folder, age = home.champions().folder(now), (time.time() - now.promoted_at) / SECONDS_A_DAY
    if age > settings.max_age_days:
        allowed = f"NEXTPLAY_MAX_AGE_DAYS={settings.max_age_days:g}"
        yield f"The champion is {age:.0f} days old, more than {allowed}."
    twin = home.champions().twin(now)
    for bundle in (folder, twin):
        if problem := _of_another_format(bundle):
            yield f"{problem} Until then nothing replaces the champion, and no new endpoint can load it."
            return
    if not folder.exists() or bundle_hash(folder) != now.bundle_hash:
        yield f"The champion's bundle {folder.name} is missing or damaged: make run or make rollback."
        return
    if twin != folder and (not twin.exists() or bundle_hash(twin) != now.twin_hash):
        yield (
            f"The bundle {twin.name}, which was judged in the champion's place, is missing or damaged: the "
            "champion serves, and the next winner replaces it without a comparison."
        )
    try:
        if read_manifest(folder).data_fingerprint != data_fingerprint(home.lake()):
            yield "The champion was trained on other tables than the current ones."
    except (BundleError, LakeError) as error:
        yield str(error)


def _of_another_format(bundle: Path) -> str:
    try:
        read_manifest(bundle)
    except OtherFormatError as error:
        return str(error)
    except BundleError:  # told of elsewhere
        return ""
    return ""


def size(path: Path) -> int:
    """Bytes of all files below a folder, links not followed; what cannot be looked at counts 0."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except OSError:  # it is gone, or its disk does not give it
                continue
    return total


def with_architecture(champions: Champions, pointer: Pointer) -> Champion:
    """A champion with what kind of model it is, as far as its bundle is there."""
    learned = ""
    try:
        manifest = read_manifest(champions.folder(pointer))
        architecture, learned = manifest.architecture, _learned(manifest)
    except OtherFormatError:
        architecture = "of another format"
    except BundleError:
        architecture = "its bundle is missing"
    return Champion(
        pointer.version, architecture, pointer.promoted_at, pointer.reason, pointer.bento, learned
    )


def _learned(manifest: Manifest) -> str:
    if not manifest.twin:
        return ""
    until = f" up to {manifest.trained_until}" if manifest.trained_until else ""
    return (
        f"Trained once more on {manifest.trained_on} known{until}; the figures are those of its judged twin."
    )


def _registry(home: Home) -> Registry | None:
    """What MLflow holds, or None where a shared one does not answer."""
    if Shared().mlflow_uri:
        return _answer_in_time(home)
    return _ask(home) if (home.folder() / "mlflow" / "mlflow.db").exists() else Registry([], None)


def _ask(home: Home) -> Registry:
    tracking = home.tracking()
    versions = [Version(v.version, v.description) for v in reversed(tracking.versions())]
    return Registry(versions, tracking.champion())


def _answer_in_time(home: Home) -> Registry | None:
    """Status is asked for just when something is away, and then the clients of MLflow are patient."""
    answer = Future[Registry]()

    def ask() -> None:
        try:
            answer.set_result(_ask(home))
        except Exception as error:
            answer.set_exception(error)

    Thread(target=ask, daemon=True).start()
    try:
        return answer.result(ANSWER_WITHIN_S)
    except Exception:  # of the network, of HTTP, of a database: all mean the same to the reader
        return None


if __name__ == "__main__":  # `python -m pipelines.operator.status` is `nextplay status`
    from pipelines.operator.cli import main

    main(["status", *sys.argv[1:]])
