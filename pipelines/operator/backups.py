"""The backups that are made by themselves: each is restored aside before an older one goes.

<NEXTPLAY_BACKUPS>/2026-11-29-050000-<home's id>    a backup; what it shares with the one before is linked
<NEXTPLAY_BACKUPS>/.<name>.unfinished               one under way, or what a killed one left
<home>/backup.json                                  what came of the last one
"""

import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from assets.resources import Home
from assets.state.backup import BackupError, back_up, damaged_databases, restore
from assets.state.files import replace_text
from assets.state.home_id import HOME_FILE
from assets.state.lake import LakeError
from models.bundle.bundle import BundleError
from models.bundle.formats import Format, format_in
from models.opening import check_sound
from pipelines.coming import moment
from pipelines.resources import Settings
from serving.state.event_stores import open_event_store
from serving.state.events import EventStoreError
from serving.state.regular import read_regular

NAMED = "%Y-%m-%d-%H%M%S"  # backups, before the home's id
NOTE_FILE = "backup.json"
GRACE_S = 86_400.0  # that a backup may be late: it waits for runs, and machines are turned off
FORMATS = Format(1)  # of the note


@dataclass(frozen=True)
class Tried:
    """A backup that was restored aside; `wrong` says in sentences what does not work in it."""

    backup: str
    at: float  # seconds since the epoch
    files: int
    bytes: int
    holds: str  # in words
    wrong: list[str]

    @property
    def told(self) -> str:
        """In a sentence or two."""
        what = f"{self.backup}, {moment(self.at)}, {self.files:,} files, {self.bytes / 1e6:,.1f} MB"
        if self.wrong:
            return f"{what}: restored aside, it does not work. {' '.join(self.wrong)}"
        return f"{what}: restored aside, it works, with {self.holds}."


def make_backup(home: Home, folder: Path, keep: int) -> Tried:
    """Back the home up into a folder of backups, try the backup, and remove all but the newest ones.

    Older ones stay where the new one does not work. Waits for a run. Raises BackupError, LakeError.
    """
    if not folder.is_dir():
        raise BackupError(
            f"NEXTPLAY_BACKUPS={folder} is no folder: make it, or mount the disk that it is on."
        )
    name = home.id
    lock = FileLock(folder / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise BackupError(
            f"Another backup of this home to {folder} is under way: wait for its end."
        ) from None
    try:
        _remove_unfinished(folder, name)
        earlier = backups_of(folder, name)
        to = folder / f"{_moment_after(earlier):{NAMED}}-{name}"
        with home.locked():
            manifest = back_up(home.folder(), to, earlier[-1] if earlier else None)
        tried = try_out(to, home, manifest)
        replace_text(home.folder() / NOTE_FILE, json.dumps(asdict(tried) | {"format": FORMATS.current}))
        if not tried.wrong:
            for old in backups_of(folder, name)[:-keep]:
                _remove(old)
    finally:
        lock.release()
    return tried


def backups_of(folder: Path, name: str) -> list[Path]:
    """The backups of a home in a folder, oldest first: by their names, which nobody else's have."""
    ours = re.compile(rf"\d{{4}}-\d\d-\d\d-\d{{6}}-{re.escape(name)}")
    return sorted(path for path in folder.iterdir() if ours.fullmatch(path.name) and path.is_dir())


def _moment_after(earlier: Sequence[Path]) -> datetime:
    """Now, or right after the newest backup, where the clock was moved back since."""
    now = datetime.now(UTC)
    if not earlier:
        return now
    newest = datetime.strptime(earlier[-1].name.rpartition("-")[0], NAMED).replace(tzinfo=UTC)
    return max(now, newest + timedelta(seconds=1))


def last_backup(home: Path) -> Tried | None:
    """What came of the last backup; None before the first. Raises BackupError where its note is damaged."""
    note = home / NOTE_FILE
    try:
        found: dict[str, Any] = json.loads(read_regular(note))
        if problem := FORMATS.problem(f"The note {note}", format_in(found)):
            raise BackupError(problem)
        return Tried(**{name: value for name, value in found.items() if name != "format"})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError):
        raise BackupError(f"The note {note} is damaged: the next backup writes it anew.") from None


def about_backup(settings: Settings, home: Path) -> str:
    """The last backup that was made by itself, and what came of it; empty where none is to be."""
    last = last_backup(home)
    if last is not None:
        return last.told
    return f"None yet, to {settings.backups}." if settings.backups else ""


def backups_to_look_at(settings: Settings, home: Path) -> Iterator[str]:
    """A sentence where the last backup does not work, or one was due and is not there."""
    try:
        last = last_backup(home)
    except BackupError:  # told of where it is shown
        return
    if last is not None and last.wrong:
        yield f"The last backup does not work. {' '.join(last.wrong)} Make another: make backup."
    elif settings.backups and (home / HOME_FILE).exists():
        since = last.at if last else (home / HOME_FILE).stat().st_mtime
        if (due := _due_since(settings, since)) is not None:
            when = f"the last is of {moment(last.at, settings.timezone)}" if last else "there is none"
            yield (
                f"A backup was due at {moment(due, settings.timezone)}, and {when}: look at the runs of the "
                "job backup, or make backup."
            )


def _due_since(settings: Settings, last: float) -> float | None:
    """When the schedule should have made the backup after the last one, where it had a day for it."""
    from dagster._utils.schedules import schedule_execution_time_iterator  # there is no public one

    due = next(schedule_execution_time_iterator(last, settings.weekly, settings.timezone)).timestamp()
    return due if due + GRACE_S < time.time() else None


def try_out(backup: Path, home: Home, manifest: dict[str, Any]) -> Tried:
    """Restore a backup beside itself, look whether it works, and remove what was restored."""
    entries = manifest["contents"].values()
    size = sum(entry.get("bytes", 0) for entry in entries)
    scratch = backup.with_name(f".{backup.name}.tried.unfinished")
    shutil.rmtree(scratch, ignore_errors=True)
    wrong: list[str] = []
    try:
        restore(backup, scratch / "home")
        wrong += what_is_wrong(Home(path=str(scratch / "home")), tables=not home.lake_address)
        holds = "" if wrong else _holds(Home(path=str(scratch / "home")), home)
    except BackupError as error:
        wrong, holds = [str(error)], ""
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Tried(str(backup), time.time(), len(entries), size, holds, wrong)


def what_is_wrong(home: Home, tables: bool = True) -> Iterator[str]:
    """A sentence for each thing that keeps a restored home from being worked in."""
    try:
        champions = home.champions()
        now = champions.current()
        if now is not None:
            check_sound(champions.folder(now), now.bundle_hash)
            check_sound(champions.twin(now), now.twin_hash)
        champions.history(), champions.past()
    except BundleError as error:
        yield f"The champion cannot serve: {error}"
    try:
        for table in home.lake().published() if tables else ():
            home.lake().current(table)
    except LakeError as error:
        yield str(error)
    yield from damaged_databases(home.folder())
    try:
        if home.events_file.exists():
            open_event_store(home.events_file, reader=True).close()
    except EventStoreError as error:
        yield str(error)


def _holds(restored: Home, home: Home) -> str:
    now = restored.champions().current()
    champion = f"version {now.version} as champion" if now else "no champion"
    tables = f"{len(restored.lake().published())} tables" if not home.lake_address else "no tables"
    if not restored.events_file.exists():
        elsewhere = home.event_database or home.events
        return f"{champion}, {tables}, no events" + " (they are kept elsewhere)" * bool(elsewhere)
    store = open_event_store(restored.events_file, reader=True)
    try:
        return f"{champion}, {tables}, {sum(1 for _ in store.events()):,} events"
    finally:
        store.close()


def _remove(backup: Path) -> None:
    """Under another name first: a removal that is killed leaves no half backup."""
    aside = backup.with_name(f".{backup.name}.unfinished")
    backup.rename(aside)
    shutil.rmtree(aside)


def _remove_unfinished(folder: Path, name: str) -> None:
    """What killed backups, trials and removals of this home left; nobody else is at work on it."""
    for aside in folder.glob(f".*-{name}*.unfinished"):
        shutil.rmtree(aside, ignore_errors=True)
