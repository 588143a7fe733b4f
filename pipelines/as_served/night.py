"""One night before a cut: all that a night runs, in a home of its own below the home."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from assets.feedback.held_back import HoldBack
from assets.formats.timestamps import MICROSECONDS, units_a_second
from assets.ingest.sources import UNKNOWN
from assets.resources import LAST, Home
from assets.sequences.splitting import LEAVE_ONE_OUT, Cutoffs
from assets.state.apart import home_apart, read_note, remove_apart, share_raw, write_note
from models.mistakes import UserError
from pipelines.apart import own_environment, run_apart
from pipelines.inputs import read_inputs
from pipelines.resources import Settings, home_of


class AsServedError(UserError):
    """What is served cannot be measured; the message says why and what to do."""


def night_before(settings: Settings, cut: str, refit: bool, tell: Callable[[str], object]) -> Home:
    """The home of a night whose plays are held back, run to its end; one that has ended stays as it is.

    Another source, event, setting or code begins it anew, with the raw files of the home: a champion of
    before may have learned what is held back now. Raises AsServedError.
    """
    home = home_of(settings)
    apart = home_apart(home.folder(), cut if refit == settings.refit else f"{cut} refit-{refit}")
    plan, environment = night_settings(settings, home, apart, cut, refit), _events(home)
    share_raw(home.folder(), apart)
    with own_environment(environment):
        inputs, forgotten = read_inputs(plan), len(home_of(plan).forgotten_users())
    note = read_note(apart)
    finished = note.get("finished", False)
    if note.get("inputs") != dict(inputs) or (finished and UNKNOWN in inputs.values()):
        remove_apart(apart)
        share_raw(home.folder(), apart)
    elif finished:
        tell(f"{cut}: the night in {apart} is as it was")
        write_note(apart, inputs, forgotten, finished=True)  # anew: retention keeps the newest ones
        return home_of(plan)
    write_note(apart, inputs, forgotten, finished=False)
    tell(f"{cut}: a night in {apart}")
    if failure := run_apart(plan, environment=environment):
        raise AsServedError(f"The night before {cut} failed in {apart}: {failure}")
    write_note(apart, inputs, forgotten, finished=True)
    return home_of(plan)


def night_settings(settings: Settings, home: Home, apart: Path, cut: str, refit: bool) -> Settings:
    """The settings of the home, but for where the night works and what it may know."""
    changes: dict[str, Any] = {
        "home": apart,
        "lake": None,
        "events": None if _events(home) else str(home.events_file),
        "hold_back": cut,
        "refit": refit,
        "cutoffs": _cutoffs(settings, home, cut),
    }
    return settings.model_copy(update=changes)


def _events(home: Home) -> Mapping[str, str]:
    """The database that the plays of the home come from, where they are in one."""
    address = home.event_database
    return {"NEXTPLAY_EVENTS": address} if address else {}


def _cutoffs(settings: Settings, home: Home, cut: str) -> str:
    """Times at which a split cuts move with the end of the plays: they stay as far from it as they were."""
    if settings.split == LEAVE_ONE_OUT or cut == LAST or Cutoffs.from_text(settings.cutoffs).are_shares:
        return settings.cutoffs
    with home.lake().connect("all_interactions") as connection:
        ((last,),) = connection.execute("SELECT max(timestamp) FROM all_interactions").fetchall()
    hold, unit = HoldBack.from_text(cut), units_a_second(last or 0) or MICROSECONDS
    until = hold.number if hold.moment is None else hold.moment * unit // MICROSECONDS
    back, cuts = int(last) - int(until or 0), Cutoffs.from_text(settings.cutoffs)
    validation, test = cuts.times(int(last))
    return f"{validation - back},{test - back}"
