"""The tables about the system as a whole: what it served, against what was played next."""

from assets.formats.table import HASH_OR_NONE, Table, by_name, count, share, text, time

HELD_BACK, SINCE = "held back", "since the last night"
ALL_CUTS = "all cuts"
SERVED, JUDGED = "served", "judged"
MEASURES = (("ndcg", "NDCG@10"), ("hr", "hit rate at 10"), ("mrr", "MRR@10"))

AS_SERVED = Table(
    "as_served",
    "NDCG, HR and MRR at 10 of what is served, on each user's next play, which no part of it has seen.",
    (
        text("measured", "when, UTC", matches="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\+00:00$"),
        text("kind", "whether plays were held back, or came in by themselves", one_of=(HELD_BACK, SINCE)),
        text("cut", "what was held back; or since when plays are new"),
        text("model", "served, judged (its twin of before the refit), or a baseline fitted on all before"),
        text("architecture", "its network or baseline"),
        text("bundle_hash", "of the bundle, or of the one that a baseline has its settings from",
             matches=HASH_OR_NONE),
        count("users", "who played next and have a history, one play each", at_least=1),
        count("never_trained", "of these plays those of items that it never trained on"),
        *(
            column
            for name, words in MEASURES
            for column in (
                share(f"{name}_at_10", words),
                share(f"{name}_at_10_low", "of the 95 % interval"),
                share(f"{name}_at_10_high", "of the 95 % interval"),
            )
        ),
        count("new_users", "who played next and were not learned from: they are counted apart"),
        share("new_users_ndcg_at_10", "NDCG@10 of these; missing where there is none", nullable=True),
    ),
    optional=True,
    answers=True,
)  # fmt: skip
PLAYED_UNTIL = Table(
    "played_until",
    "The last play of each user that was known when a night measured what had been served before it.",
    (
        text("user_id", "who played"),
        text("item_id", "what was played last"),
        time("timestamp", "when, in the unit of the source; missing where there are no dates", nullable=True),
    ),
    optional=True,
)
AS_SERVED_TABLES = by_name(AS_SERVED, PLAYED_UNTIL)
