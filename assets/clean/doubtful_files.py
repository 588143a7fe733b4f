"""What is told of files whose order, or whose rows of one item, lose something: warnings in the log of a run.

Only while files are read is it known on which lines things stood. Where Spark reads them, nobody looks.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets.engines.engine import Engine

MOST_LINES = 1_000_000  # of each file that are looked at
FEW = 0.01  # share of plays at the time of the one before that does no harm
MOST = 0.9  # share of the plays in order of time that run backwards
LEAST = 20  # plays that run backwards, for that to be no chance


def warn_of_files(engine: Engine, roles: Sequence[str]) -> None:
    """From `timed_plays` and `all_items`; `roles` are those of the files by their number."""
    for told in (*_newest_first(engine, roles), *_described_again(engine)):
        dg.get_dagster_logger().warning("Of the source: %s.", told)


def _newest_first(engine: Engine, roles: Sequence[str]) -> Iterator[str]:
    """Files in which later plays come first, and plays at one time most likely, too."""
    for file, later, earlier, same in engine.find("play_order", {"lines": MOST_LINES}).rows:
        in_order = later + earlier
        if earlier >= max(LEAST, MOST * in_order) and same >= FEW * (in_order + same):
            yield (
                f"{roles[file]} has the newest plays first, and {same:,} plays at the time of the one before "
                "count in the order of their lines: sort it from the oldest to the newest"
            )


def _described_again(engine: Engine) -> Iterator[str]:
    engine.make_view("described_items")
    found = engine.find("items_again").one()
    if found["items"]:
        yield (
            f"{found['items']:,} rows describe an item once more and otherwise, first line {found['line']:,} "
            f"('{found['item_id']}'), and of each item the first row counts: give it one, with lists "
            "separated by a bar"
        )
