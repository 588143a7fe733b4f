"""The tables that `leaderboard` makes: the evidence that decides a promotion."""

import pyarrow as pa

from assets.formats.table import (
    HASH_OR_NONE,
    Column,
    Rule,
    Table,
    by_name,
    count,
    index,
    number,
    share,
    text,
)
from models.evaluation.cohorts import FIRST_PLAYS, KINDS
from models.evaluation.evidence import Policy
from models.evaluation.metrics import CUTOFFS, MISSED

TOP = 20  # items of a list
ROLES = ("baseline", "candidate", "champion", "anchor", "optimum")
MODEL = text("model", "its name on the leaderboard")
METRICS = (("hr", "hit rate"), ("ndcg", "NDCG"), ("mrr", "MRR"))

RECOMMENDED = (
    text("user_id", "whom it is recommended to"),
    text("item_id", "what is recommended"),
    index("rank", "place in the list, best first", at_least=1, at_most=TOP),
    Column("score", pa.float32(), "that the model gives"),
)

LEADERBOARD = Table(
    "leaderboard",
    "HR, NDCG and MRR at 1, 5, 10, 20 over the full catalogue, coverage, intervals.",
    (
        MODEL,
        text("role", "why it takes part", one_of=ROLES),
        text("architecture", "its network or baseline"),
        text("bundle_hash", "of the bundle that was judged; empty for the optimum", matches=HASH_OR_NONE),
        count("users", "test users", at_least=1),
        count("plays", "test plays: one for each user, or split in time all of them", at_least=1),
        share("validation_ndcg_at_10", "NDCG@10 on validation; NaN where it is unknown", or_nan=True),
        share("ndcg_at_10_low", "of the 95 % interval"),
        share("ndcg_at_10_high", "of the 95 % interval"),
        share("coverage_at_10", "share of the catalogue in any user's top 10"),
        share("coverage_at_20", "share of the catalogue in any user's top 20"),
        number("export_error", "largest difference of a logit, exported against trained", at_least=0),
        count("nan_users", "users for whom an item was scored NaN"),
        count("unknown_targets", "users whose target the model does not know"),
        text("champion_hash", "bundle of the champion to beat; empty for none", matches=HASH_OR_NONE),
        count("champion_reign", "which of all reigns the champion's is; 0 for none"),
        *(share(f"{name}_at_{k}", f"{words} at {k}") for name, words in METRICS for k in CUTOFFS),
    ),
    (
        Rule(
            "evidence_is_whole",
            "fault_evidence",
            "Each model is there once, with one rank for each play that is a test target.",
            beside=("test_ranks", "test_targets"),
        ),
    ),
    answers=True,
)
TEST_RANKS = Table(
    "test_ranks",
    "Where each model ranks each test play, over the full catalogue.",
    (
        MODEL,
        text("user_id", "whose play it is"),
        index("position", "as in `sequences`", at_least=1),
        index(
            "rank", f"from 1; ties count against it; {MISSED} where it can never be recommended", at_least=1
        ),
    ),
)
TEST_RECOMMENDATIONS = Table(
    "test_recommendations",
    "Every test user's top 20 by every model before the first test play, with seen items where they are "
    "answers, in original ids.",
    (MODEL, *RECOMMENDED),
)
TEST_TARGETS = Table(
    "test_targets",
    "The plays that the models are compared on.",
    (
        index("user_index", "as in `sequences`"),
        index("position", "as in `sequences`; what comes before it is the history", at_least=1),
    ),
)
TEST_COHORTS = Table(
    "test_cohorts",
    "NDCG@10 of each model on test plays of known or new users and items, and by days since the cut.",
    (
        MODEL,
        text("kind", "what plays are told apart by; each play is in one cohort of a kind", one_of=KINDS),
        text("cohort", f"which of them these are; “{FIRST_PLAYS}” are none of the test plays"),
        count("plays", "test plays", at_least=1),
        count("users", "whose they are", at_least=1),
        share("ndcg_at_10", "mean over these plays"),
        share("ndcg_at_10_low", "of the 95 % interval over users; NaN for a single user", or_nan=True),
        share("ndcg_at_10_high", "of the 95 % interval over users; NaN for a single user", or_nan=True),
    ),
    optional=True,
    answers=True,
)
EARLIER_RANKS = Table(
    "earlier_ranks",
    f"Ranks of test plays, tonight's and earlier nights', below {Policy.pool_below:,} test users: the gate "
    "counts them where one play a user says too little.",
    (
        text("model", "a candidate or baseline of tonight"),
        text("recipe", "names the code, split and settings by which models of two nights are alike"),
        text("user_id", "whose play it is"),
        index("position", "as in `sequences`", at_least=1),
        text("item_id", "what was played"),
        index("rank", "as in `test_ranks`, by the model of the last night that tested the play", at_least=1),
    ),
    optional=True,
)
LEADERBOARD_TABLES = by_name(
    LEADERBOARD, TEST_RANKS, TEST_RECOMMENDATIONS, TEST_TARGETS, TEST_COHORTS, EARLIER_RANKS
)
