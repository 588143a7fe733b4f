"""What people are told of the rows that were left out: how many, why, and where the first of them stands."""

from collections.abc import Mapping, Sequence
from typing import Any

from assets.engines.engine import Engine

DESCRIBE = ("items", "games")  # kinds of files that hold no plays
REASONS_SHOWN = 3
TIME_FORMAT_HINT = " (NEXTPLAY_TIME_FORMAT says how to read others)"  # at the end of a reason
FILES_SHOWN = 5
TEXT_SHOWN = 80  # characters of a row


def too_much_left_out(engine: Engine, settings: Mapping[str, Any], faults: Sequence[tuple[Any, ...]]) -> str:
    """Why the run stops; `faults` are rows of `fault_quarantined`."""
    limit = settings["max_quarantined_share"]
    worst = _worst(faults, limit)
    if not worst:
        return _nothing_left(engine, [row for row in faults if row[0] not in DESCRIBE])
    kind, _, lines_read, lines_out, items_read, items_out = worst
    of_lines = lines_out > limit * lines_read
    what, out, read = ("rows", lines_out, lines_read) if of_lines else ("items", items_out, items_read)
    share = f"{out / read:.1%}".replace("%", " %")
    why = reasons(engine, kind)
    told = (
        f"{out:,} of {read:,} {what} were left out ({share}), more than "
        f"NEXTPLAY_MAX_QUARANTINED_SHARE={limit:g} allows: {why}. "
    )
    if way_on := _way_on(engine, kind):
        return f"{told}The table quarantine has them all. {way_on}; or mend the source; or allow more."
    return f"{told}Mend the source, or allow more; the table quarantine has them all."


def _worst(faults: Sequence[tuple[Any, ...]], limit: float) -> tuple[Any, ...] | None:
    """The row of `fault_quarantined` with the largest share, of those over the limit."""
    over = [row for row in faults if _share_left_out(*row) > limit]
    return max(over, key=lambda row: _share_left_out(*row)) if over else None


def _way_on(engine: Engine, kind: str) -> str:
    """What to do about times that could not be read, where they are among the most frequent reasons."""
    why = [reason for reason, *_ in engine.find("reasons_of_a_kind", {"kind": kind}).rows[:REASONS_SHOWN]]
    if any(reason.endswith(TIME_FORMAT_HINT) for reason in why):
        return "Say how to read the times with NEXTPLAY_TIME_FORMAT, such as %m/%d/%Y %H:%M"
    if any("NEXTPLAY_TIME_FORMAT" in reason for reason in why):
        return "Give NEXTPLAY_TIME_FORMAT the form that the times have, such as %m/%d/%Y %H:%M"
    return ""


def _nothing_left(engine: Engine, kinds: Sequence[tuple[Any, ...]]) -> str:
    """Where no play was accepted, and no more was left out than is allowed."""
    read = sum(lines_read for _, _, lines_read, *_ in kinds)
    if not read:
        files = sum(row[1] for row in kinds)
        held = "The file of plays holds" if files == 1 else f"The {files:,} files of plays hold"
        return f"There is nothing to learn from. {held} no rows: give some."
    why = [told for kind, *_ in kinds if (told := reasons(engine, kind))]
    told = "; ".join(why) or "their users asked to be forgotten"
    way_on = next((f" {way}." for kind, *_ in kinds if (way := _way_on(engine, kind))), "")
    return f"There is nothing to learn from. Of {read:,} rows none is a play: {told}.{way_on}"


def reasons(engine: Engine, kind: str) -> str:
    """The most frequent reasons for which rows of a kind of files were left out, each with its first row."""
    found = engine.find("reasons_of_a_kind", {"kind": kind}).rows
    told = [
        f"{times:,} for '{reason.removesuffix(TIME_FORMAT_HINT)}', first {place(file, line, text)}"
        for reason, times, file, line, text in found[:REASONS_SHOWN]
    ]
    if len(found) > REASONS_SHOWN:
        told.append(f"{sum(row[1] for row in found[REASONS_SHOWN:]):,} for other reasons")
    return "; ".join(told)


def unread_files(engine: Engine, limit: float) -> str | None:
    """The files of which little could be read, in a sentence; None where there are none.

    A row that the run's last sentence names, as more was left out than `limit`, is not told here too.
    """
    found = engine.find("unread_files").rows
    if not found:
        return None
    worst = _worst(engine.find("fault_quarantined", {"max_quarantined_share": limit}).rows, limit)
    why = engine.find("reasons_of_a_kind", {"kind": worst[0]}).rows[:REASONS_SHOWN] if worst else []
    named = {(file, line) for _, _, file, line, _ in why}
    told = [
        f"{file} ({left_out:,} of {read:,} rows"
        + ("" if (file, line) in named else f", the first for '{reason}': line {line:,}, {shown(text)}")
        + ")"
        for file, read, left_out, line, reason, text in found[:FILES_SHOWN]
    ]
    more = f" and {len(found) - FILES_SHOWN:,} more" if len(found) > FILES_SHOWN else ""
    return f"Of some files most was left out: {'; '.join(told)}{more}."


def place(file: str, line: int, text: str) -> str:
    """Where a row stands, and what it is."""
    return f"in line {line:,} of {file} ({shown(text)})"


def shown(text: str) -> str:
    """A row on one line, cut where it is long."""
    line = " ".join(text.split())
    return line[:TEXT_SHOWN] + "…" * (len(line) > TEXT_SHOWN) or "an empty text"


def _share_left_out(
    kind: str, files: int, lines_read: int, lines_out: int, items_read: int, items_out: int
) -> float:
    return max(lines_out / max(1, lines_read), items_out / max(1, items_read))
