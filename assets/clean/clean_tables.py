"""The tables that `clean` makes of the raw files."""

from assets.clean.left_out import too_much_left_out
from assets.formats.table import (
    ROLES,
    Rule,
    Table,
    by_name,
    count,
    flag,
    index,
    number,
    text,
    texts,
    time,
)

PLAYED = (
    text("user_id", "who played"),
    text("item_id", "what was played"),
    index("position", "place among the user's plays, oldest first: 0, 1, 2, …"),
    index("playtime", "minutes; missing where they are unknown", nullable=True),
    time("timestamp", "when, in the unit of the source; missing where there are no dates", nullable=True),
)
FILE = text("file", "the role of the raw file", matches=ROLES)


def once(table: str) -> Rule:
    """A table of plays has each item of a user once."""
    words = "No user has an item twice, unless repeats are kept."
    return Rule(f"{table}_once", "fault_repeated", words, settings=("repeats",))


def numbered(check: str) -> Rule:
    """The plays of each user are numbered without a gap."""
    return Rule(check, "fault_positions", "The positions of each user are 0, 1, 2, ...")


INTERACTIONS = Table(
    "interactions",
    "One row for each user and game, in the order of time or, where there is none, of the library.",
    PLAYED,
    (
        Rule(
            "nothing_is_lost",
            "fault_unaccounted",
            "Accepted, quarantined and forgotten add up to what was read, and all accepted is in the tables.",
            beside=("raw_counts", "catalogue", "quarantine"),
        ),
        Rule(
            "little_is_quarantined",
            "fault_quarantined",
            "No more is quarantined of all files of a kind than the settings allow, and something is left.",
            beside=("raw_counts", "quarantine"),
            settings=("max_quarantined_share",),
            explain=too_much_left_out,
        ),
        once("interactions"),
        numbered("interactions_positions"),
    ),
)
QUARANTINE = Table(
    "quarantine",
    "What was left out of the raw files, with its reason.",
    (
        FILE,
        index("line", "from 1", at_least=1),
        index("item", "place in the line, from 0; missing for the whole line", nullable=True),
        text("reason", "why it was left out"),
        text("text", "what stood there, cut where it is long", filled=False),
    ),
)
CATALOGUE = Table(
    "catalogue",
    "What the store says about its games.",
    (
        text("item_id", "of the game"),
        text("title", "its name in the store", nullable=True),
        texts("genres", "as the store has them"),
        texts("tags", "as players gave them"),
        number("price", "in the currency of the source", nullable=True, at_least=0),
        text("release_date", "as the source writes it", nullable=True, filled=False),
        flag("early_access", "sold before it was finished", nullable=True),
        text("attributes", "further columns of the source, a JSON object", nullable=True, filled=False),
    ),
)
ITEM_NAMES = Table(
    "item_names",
    "What the libraries call their games.",
    (text("item_id", "of the game"), text("name", "where the libraries disagree, the first in the alphabet")),
)
RAW_COUNTS = Table(
    "raw_counts",
    "How much each raw file holds, and how much of it was accepted.",
    (
        FILE,
        count("lines_read", "lines of the file"),
        count("items_read", "plays, or games, in them"),
        count("lines_accepted", "lines that could be read"),
        count("items_accepted", "items that could be read, repeats included"),
        count("lines_forgotten", "lines of users who asked to be forgotten"),
        count("items_forgotten", "items of these users"),
        count("repeats", "accepted, but of a user and game (or of a game) that came before"),
        count("times_zoned", "accepted plays whose time of day says how far it is from UTC"),
        count("times_plain", "accepted plays whose time of day does not, and counts as UTC"),
    ),
)
UNREAD_VALUES = Table(
    "unread_values",
    "What the catalogue lacks because its value could not be read, by column of the file of items.",
    (
        FILE,
        text("name", "the column"),
        count("times", "values that are left empty", at_least=1),
        index("first_line", "where the first of them stands", at_least=1),
        text("first_value", "what stands there"),
    ),
)
CLEAN_TABLES = by_name(INTERACTIONS, QUARANTINE, CATALOGUE, ITEM_NAMES, RAW_COUNTS, UNREAD_VALUES)
