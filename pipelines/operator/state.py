"""The commands about what lies in the home: a user's events, old data, backups."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.bundle.ids import MAX_ID, trimmed
from models.mistakes import UserError
from pipelines.operator.environment import check_home, checked_settings, open_home
from pipelines.operator.naming import placed_or_named
from pipelines.operator.terminal import say
from serving.state.events import is_id

if TYPE_CHECKING:
    import dagster as dg

    from assets.resources import Home
    from pipelines.resources import Settings


class EraseError(UserError):
    """Something could not be erased now; the message says what to do."""


def _of_a_user(given: str) -> str:
    """The id of a user. Raises BadParameter for what is none, as a script gives whose variable is empty."""
    user = trimmed(given)
    if not is_id(user):
        raise click.BadParameter(f"a user's id has 1 to {MAX_ID} characters, and this one {len(user)}.")
    return user


@click.command()
@placed_or_named("user")
def forget(user: str) -> None:
    """Remove a user: events at once, tables with the next run.

    `nextplay erase` then removes what older tables, reports and records hold.
    """
    user = _of_a_user(user)
    _, home = open_home()
    from serving.state.event_stores import open_event_store

    store = home.event_store() or open_event_store(home.events_file)
    try:
        removed = store.forget(user)
    finally:
        store.close()
    later = "" if removed.wiped else " The store's log is in use and may hold the user still: forget again."
    say(
        f"The user {user} is forgotten: {removed.events:,} events and {removed.impressions:,} impressions "
        f"are removed, the history is hidden; make run removes the user from the tables.{later}"
    )


@click.command()
@placed_or_named("user")
def holds(user: str) -> None:
    """Say what in the home still holds a user, and when it goes."""
    user = _of_a_user(user)
    _, home = open_home()
    from assets.release.erasure import holding

    found = list(holding(home, user))
    lines = [f"{held.place}: {held.goes}." for held in found]
    say("\n".join(lines or [f"Nothing in {home.folder()} holds the user {user}."]))


@click.command()
def erase() -> None:
    """Remove old tables, reports and records of forgotten users.

    Give a run the time to make the tables without them first."""
    _, home = open_home()
    from assets.release.erasure import erase as erased

    with home.locked():
        done = erased(home)
    say(
        f"Erased: {done.versions:,} versions of tables, {done.reports:,} reports, and users from "
        f"{done.records:,} "
        "of Dagster's files."
    )
    if done.busy:
        raise EraseError(f"{' and '.join(done.busy)} is in use: stop make ui, and make erase again.")


@click.command()
@click.option("--yes", is_flag=True, help="Remove it.")
def prune(yes: bool) -> None:
    """Show what retention would remove, or remove it.

    Each run does so at its end."""
    settings, home = open_home()
    from pipelines.instance import open_instance

    with open_instance() as instance:
        say(pruned(settings, home, instance, do=yes))


def pruned(settings: "Settings", home: "Home", instance: "dg.DagsterInstance", do: bool) -> str:
    """What is or would be removed, with sizes, as people read it."""
    from assets.release.retention import ELSEWHERE, plan_removals, removal_size, remove
    from pipelines.resources import retention

    with home.locked():
        plan = plan_removals(home, retention(settings), instance)
        size = removal_size(home, plan, instance)
        if do:
            remove(home, plan, instance)
    elsewhere = [ELSEWHERE] if home.lake_address else []
    if not len(plan):
        return "\n".join(elsewhere or ["There is nothing to remove."])
    lines = [*elsewhere, "Removed:" if do else "Would be removed (make prune YES=1 does it):", ""]
    for kind, names in vars(plan).items():
        if names:
            lines.append(f"  {kind:<12} {len(names):>6,}   {size.get(kind, 0) / 1e6:>10,.1f} MB")
    lines.append(f"  {'in all':<12} {len(plan):>6,}   {sum(size.values()) / 1e6:>10,.1f} MB")
    return "\n".join(lines)


@click.command()
@click.argument("to", default="")
def backup(to: str) -> None:
    """Copy all state, as of one moment, to a new or empty folder.

    Without one, do as the schedule does each week: a backup in NEXTPLAY_BACKUPS, restored aside and tried."""
    settings, home = open_home()
    from assets.state.backup import BackupError, back_up

    if not to:
        if settings.backups is None:
            raise BackupError(
                "Say where to: make backup TO=/mnt/backups/tonight, or name a folder with NEXTPLAY_BACKUPS."
            )
        from pipelines.operator.backups import make_backup

        tried = make_backup(home, settings.backups.resolve(), settings.keep_backups)
        if tried.wrong:
            raise BackupError(f"The backup {tried.told}")
        say(f"Backed up {home.folder()} to {tried.told}")
        return
    with home.locked():
        manifest = back_up(home.folder(), Path(to))
    contents = manifest["contents"].values()
    size = sum(entry.get("bytes", 0) for entry in contents)
    say(f"Backed up {len(contents):,} files, {size / 1e6:,.1f} MB, from {home.folder()} to {to}.")


@click.command()
@click.argument("backup")
def restore(backup: str) -> None:
    """Fill an empty home from a backup, checked file by file."""
    from assets.state import backup as backups
    from pipelines.resources import home_of

    settings = checked_settings()
    if not backup:
        raise backups.BackupError("Say from where: make restore FROM=/mnt/backups/tonight.")
    check_home(settings.home)
    manifest, home = backups.restore(Path(backup), settings.home), home_of(settings)
    home.lake().update_warehouse()
    if (home.folder() / "mlflow" / "mlflow.db").exists():
        home.tracking()  # points MLflow at its new place
    backups.opened(home.folder())
    champion = home.champions().current()
    who = f"the champion is version {champion.version}" if champion else "there is no champion yet"
    say(f"Restored {len(manifest['contents']):,} files to {home.folder()}: {who}.")


@click.command()
def clean() -> None:
    """Remove all state from the home, and nothing else."""
    from pipelines.operator.clean import clean as cleaned

    say(cleaned(Path(os.environ["NEXTPLAY_HOME"])))


COMMANDS = (forget, holds, erase, prune, backup, restore, clean)
