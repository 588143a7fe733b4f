"""What a run that went well tells of the rows that it left out."""

from assets.clean.left_out import DESCRIBE, REASONS_SHOWN
from assets.engines.engine import Engine


def left_out_in_all(engine: Engine, repeats: str) -> list[str]:
    """A sentence for each kind of raw files of which something was left out; `repeats` is the setting.

    `engine` needs views of `raw_counts` and `quarantine`.
    """
    told = []
    for kind, lines_read, lines_out, items_read, items_out, came_again in engine.find(
        "left_out_of_a_kind"
    ).rows:
        rows = "rows of items" if kind in DESCRIBE else "rows"
        counts = [
            f"{out:,} of {read:,} {what}"
            for out, read, what in ((lines_out, lines_read, rows), (items_out, items_read, "items in them"))
            if out
        ]
        said = []
        if counts:
            are = "is" if lines_out + items_out == 1 else "are"
            said.append(f"{' and '.join(counts)} {are} in quarantine: {_reasons(engine, kind)}")
        if came_again:
            said.append(_repeats(int(came_again), kind, repeats))
        if said:
            told.append("; ".join(said) + ".")
    return told


def _reasons(engine: Engine, kind: str) -> str:
    """The most frequent reasons, and how many rows have another."""
    found = engine.find("reasons_of_a_kind", {"kind": kind}).rows
    told = [f"{times:,} for '{reason}'" for reason, times, *_ in found[:REASONS_SHOWN]]
    if len(found) > REASONS_SHOWN:
        told.append(f"{sum(row[1] for row in found[REASONS_SHOWN:]):,} for other reasons")
    return ", ".join(told)


def _repeats(times: int, kind: str, setting: str) -> str:
    if kind in DESCRIBE:
        return f"{times:,} {'row' if times == 1 else 'rows'} of an item that had come before"
    plays = "play" if times == 1 else "plays"
    why = "" if kind == "libraries" else f" (NEXTPLAY_REPEATS={setting})"  # a library holds an item once
    return f"{times:,} {plays} of an item that the user had played before{why}"
