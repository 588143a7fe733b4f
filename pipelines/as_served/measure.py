"""What the nights before some cuts served, against what was played next."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from assets.evaluation.as_served import add_rows, rows_of
from assets.evaluation.as_served_tables import ALL_CUTS, HELD_BACK
from assets.evaluation.cuts import default_cuts
from assets.evaluation.held_back_judged import judge_home
from assets.evaluation.next_plays import Judged
from assets.feedback.held_back import HoldBack, HoldBackError
from assets.resources import Home
from pipelines.as_served.night import AsServedError, night_before
from pipelines.resources import Settings, home_of

Rows = list[dict[str, Any]]


def measure(
    settings: Settings,
    cuts: Sequence[str] = (),
    refit: bool | None = None,
    tell: Callable[[str], object] = lambda said: None,
) -> Rows:
    """Run the nights, judge them, and add the rows to the table `as_served` of the home.

    Without `cuts` they follow from the data. What is measured with another `refit` than that of the settings
    is returned alone, as no night serves it. Raises AsServedError, NothingServedError, LakeError.
    """
    home, how = home_of(settings), settings.refit if refit is None else refit
    if settings.hold_back:
        raise AsServedError("NEXTPLAY_HOLD_BACK is set, and this command holds plays back itself: unset it.")
    judged = [judge_night(settings, cut, how, tell) for cut in _cuts(settings, home, cuts)]
    rows = table_of(dict(judged), datetime.now(UTC))
    if how == settings.refit:
        with home.locked():
            add_rows(home.lake(), rows)
    return rows


def judge_night(
    settings: Settings, cut: str, refit: bool, tell: Callable[[str], object]
) -> tuple[str, list[Judged]]:
    """The cut, and what the night before it and its baselines came to."""
    night = night_before(settings, cut, refit, tell)
    judged = judge_home(night, settings.source, settings.min_playtime)
    if not judged[0].plays.learned.any():
        raise AsServedError(
            f"Nobody who was learned from before {cut} played from then on, so nothing can be judged: give "
            "another cut."
        )
    return cut, judged


def table_of(by_cut: dict[str, list[Judged]], now: datetime) -> Rows:
    """A row for each cut and model, and for several cuts one for all of them together."""
    rows = [rows_of(now, HELD_BACK, cut, [one]) for cut, judged in by_cut.items() for one in judged]
    if len(by_cut) > 1:
        of_model: dict[str, list[Judged]] = {}
        for judged in by_cut.values():
            for one in judged:
                of_model.setdefault(one.answers.model, []).append(one)
        everywhere = [several for several in of_model.values() if len(several) == len(by_cut)]
        rows += [rows_of(now, HELD_BACK, ALL_CUTS, several) for several in everywhere]
    return rows


def _cuts(settings: Settings, home: Home, given: Sequence[str]) -> list[str]:
    try:
        for cut in given:
            HoldBack.from_text(cut)
    except HoldBackError as error:
        raise AsServedError(str(error)) from None
    if given:
        return list(dict.fromkeys(given))
    if not home.lake().has("all_interactions"):
        raise AsServedError(
            "There are no plays in this home yet, from which cuts would follow: run make run first, or name "
            "a cut, such as CUT=last."
        )
    return default_cuts(home.lake(), settings.min_playtime)
