"""All tables of the lake, in the order in which a run makes them, and the page that describes them.

`python -m pipelines.tables` writes the page anew.
"""

from pathlib import Path

from assets.clean.clean_tables import CLEAN_TABLES
from assets.clean.core_interactions import CORE_INTERACTIONS
from assets.clean.raw_lines import RAW_LINES
from assets.clean.shrinking import ACCEPTED_SOURCE
from assets.engines.sql import markdown
from assets.evaluation.as_served_tables import AS_SERVED_TABLES
from assets.evaluation.gate import GATE
from assets.evaluation.leaderboard_tables import LEADERBOARD_TABLES
from assets.evaluation.other_splits import OTHER_SPLITS
from assets.evaluation.sequence_audit import SEQUENCE_AUDIT
from assets.feedback.all_interactions import UNITED_TABLES
from assets.feedback.drift import DRIFT
from assets.feedback.events import EVENTS
from assets.feedback.online_results import ONLINE_RESULTS
from assets.feedback.refusals import REFUSALS
from assets.formats.table import Table, by_name
from assets.ingest.raw_files import RAW_FILES
from assets.release.batch_recommendations import BATCH_RECOMMENDATIONS
from assets.release.bento import BENTO
from assets.release.refit import REFIT
from assets.sequences.listed_items import LISTED_ITEMS
from assets.sequences.semantic_ids import SEMANTIC_IDS
from assets.sequences.sequences_tables import SEQUENCES_TABLES

TABLES = by_name(
    RAW_FILES,
    *CLEAN_TABLES.values(),
    RAW_LINES,
    ACCEPTED_SOURCE,
    EVENTS,
    REFUSALS,
    LISTED_ITEMS,
    *UNITED_TABLES.values(),
    CORE_INTERACTIONS,
    *SEQUENCES_TABLES.values(),
    SEMANTIC_IDS,
    *LEADERBOARD_TABLES.values(),
    OTHER_SPLITS,
    SEQUENCE_AUDIT,
    GATE,
    *AS_SERVED_TABLES.values(),
    REFIT,
    BENTO,
    BATCH_RECOMMENDATIONS,
    DRIFT,
    ONLINE_RESULTS,
)

PAGE = Path(__file__).parents[1] / "docs" / "tables.md"
INTRODUCTION = """# Tables
<!-- Made by `python -m pipelines.tables` from the descriptions beside the assets. -->
Every table is one Parquet file in an immutable version folder: see [Data](data.md#what-is-made-of-them). \
`warehouse.duckdb` in the home shows the current version of each under its name. What is promised here is \
checked whenever a table is made: a broken promise fails the run, and nothing that builds on the table \
starts. A value may be missing only where that is said.
"""


def page() -> str:
    """All tables as Markdown: words, columns with their promises, and rules."""
    return "\n".join([INTRODUCTION, *(_section(table) for table in TABLES.values())])


def _section(table: Table) -> str:
    rows = [
        (f"`{column.name}`", f"`{column.type_name}`", column.words, ", ".join(column.promises()))
        for column in table.columns
    ]
    columns = markdown(("column", "type", "meaning", "promises"), rows, longest=1_000)
    rules = [f"- {rule.words}" for rule in table.rules]
    return "\n".join([f"## {table.name}", table.words, "", columns, *([""] if rules else []), *rules, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
