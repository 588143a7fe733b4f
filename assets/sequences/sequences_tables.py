"""The tables that `sequences` makes of the core."""

import pyarrow as pa

from assets.clean.clean_tables import numbered
from assets.formats.table import Column, Rule, Table, by_name, count, flag, index, number, text, texts, time

SPLITS = ("train", "validation", "test", "context")
INDEX = index("item_index", "from 1; 0 is padding", at_least=1)

ITEMS = Table(
    "items",
    "The item vocabulary: index, id, title, occurrences in the training part, attributes.",
    (
        INDEX,
        text("item_id", "of the item"),
        text("title", "of the catalogue, else of the libraries, else the id"),
        index("count", "plays in the training part"),
        texts("genres", "of the catalogue", nullable=True),
        texts("tags", "of the catalogue", nullable=True),
        number("price", "in the currency of the source", nullable=True, at_least=0),
        Column("release_date", pa.date32(), "where the source writes a date", nullable=True),
        flag("early_access", "sold before it was finished", nullable=True),
        text("attributes", "further columns of the source, a JSON object", nullable=True, filled=False),
    ),
    (
        Rule(
            "vocabulary_is_one_to_one",
            "fault_vocabulary",
            "Item ids and the indexes 1..n are one to one, for items of the core, listed and new ones; none "
            "is renumbered.",
            beside=("core_interactions", "items_before", "listed_items", "new_items"),
        ),
    ),
)
ITEMS_BEFORE = Table(
    "items_before",
    "The champion's vocabulary, where tonight's keeps its indexes; else empty.",
    (INDEX, text("item_id", "of the item")),
)
NEW_ITEMS = Table(
    "new_items",
    "Releases of the catalogue that nobody plays, in the vocabulary all the same: see NEXTPLAY_NEW_ITEMS.",
    (
        text("item_id", "of the item"),
        Column("release_date", pa.date32(), "since the day that the setting reaches back to, or later"),
    ),
)
SEQUENCES = Table(
    "sequences",
    "Item indexes of each user, oldest first, each in train, validation, test or context.",
    (
        index("user_index", "from 0, in the order of the user ids"),
        text("user_id", "who played"),
        index("position", "place among the user's plays, oldest first: 0, 1, 2, …"),
        INDEX,
        text("split", "the part that the play is in; context is in histories alone", one_of=SPLITS),
        time("timestamp", "when, in the unit of the source; missing where there are no dates", nullable=True),
    ),
    (
        Rule(
            "sequences_are_the_core",
            "fault_sequences",
            "The sequences hold each interaction of the core, at its place, and nothing else.",
            beside=("items", "core_interactions"),
        ),
        numbered("sequences_positions"),
        Rule(
            "sequences_split",
            "fault_splits",
            "Leave-one-out: the last item is the test, the one before the validation; no others are.",
            beside=("split",),
        ),
        Rule(
            "sequences_temporal_split",
            "fault_temporal",
            "Temporal: plays before the cut are trained on, and later plays but a user's first are targets.",
            beside=("split", "core_interactions"),
        ),
        Rule(
            "held_out_items_are_unseen",
            "fault_leak",
            "No held-out item comes in its user's sequence before, unless repeats are kept.",
            settings=("repeats",),
        ),
    ),
)
SPLIT = Table(
    "split",
    "How the sequences are split, and how large the parts are.",
    (
        text("name", "such as leave-one-out or temporal (0.8,0.9)"),
        time("validation_from", "where validation begins; missing for a split without times", nullable=True),
        time("test_from", "where the test begins; missing for a split without times", nullable=True),
        *(count(part, f"plays that are {part}") for part in SPLITS),
        count("unseen_in_training", "users with a test target and nothing in training"),
        number("repeated_share", "of plays after a user's first: their user had the item", at_least=0),
        flag("exclude_seen", "what a user has played before is no answer: not trained on, counted or given"),
        count("test_users", "users with a test target: split leave-one-out each has one"),
        count("first_plays", "plays from the test on with nothing before them: judged apart"),
        text("reason", "why the plays are split so"),
    ),
)
SEQUENCES_TABLES = by_name(ITEMS, ITEMS_BEFORE, NEW_ITEMS, SEQUENCES, SPLIT)
