"""Every rule finds the fault that was planted for it, and nothing in tables without faults."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot

from assets import contracts
from assets.clean.clean import CLEAN_CHECKS
from assets.clean.core_interactions import CORE_CHECKS
from assets.contracts import checks_of, contract, is_sound, rule_faults, schema_faults, verdict
from assets.engines.engine import DuckDB
from assets.engines.spark_dialect import carried
from assets.evaluation.as_served_tables import AS_SERVED_TABLES
from assets.resources import Cleaning, Home
from assets.sequences.sequences import SEQUENCES_CHECKS
from assets.state.lake import LakeError, fingerprint, write_parquet
from pipelines.definitions import defs
from pipelines.tables import TABLES as DESCRIBED
from tests.support.homes import evaluation

HASH = "0a" * 32
METRICS = [f"{name}_at_{k}" for name in ("hr", "ndcg", "mrr") for k in (1, 5, 10, 20)]
ENDS = ("", "_low", "_high")  # of an interval
GOOD = [0.5] * len(METRICS)
VERDICT = (True, "sasrec", ["it is better"], "[]", "null", HASH, "", 0, HASH, 1)

TABLES = {
    "raw_files": (
        "role VARCHAR, path VARCHAR, sha256 VARCHAR, bytes BIGINT, address VARCHAR",
        [("libraries", "raw/x", "0" * 64, 9, "x")],
    ),
    "interactions": (
        "user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT",
        [
            ("1", "a", 0, 70, 7),
            ("1", "b", 1, 80, 8),
            ("1", "c", 2, 90, 9),
            ("1", "d", 3, 5, 9),
            ("2", "b", 0, 70, 7),
        ],
    ),
    "events": (
        "event_id VARCHAR, user_id VARCHAR, item_id VARCHAR, played_at BIGINT, received_at BIGINT, "
        "request_id VARCHAR, day VARCHAR",
        [
            ("e1", "2", "b", 1_000, 86_400_000, None, "1970-01-02"),  # a repeat
            ("e2", "2", "c", 2_000, 86_400_001, "r", "1970-01-02"),
            ("e3", "2", "z", 3_000, 172_799_999, "r", "1970-01-02"),
            ("e4", "3", "b", 2_000, 172_799_999, None, "1970-01-02"),
        ],
    ),
    "event_quarantine": (
        "event_id VARCHAR, user_id VARCHAR, item_id VARCHAR, played_at BIGINT, received_at BIGINT, "
        "reason VARCHAR",
        [("e3", "2", "z", 3_000, 172_799_999, "a game that nobody knows")],
    ),
    "all_interactions": (
        "user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT",
        [
            ("1", "a", 0, 70, 7),
            ("1", "b", 1, 80, 8),
            ("1", "c", 2, 90, 9),
            ("1", "d", 3, 5, 9),
            ("2", "b", 0, 70, 7),
            ("2", "c", 1, None, 2_000_000),
        ],
    ),
    "refusals": ("user_id VARCHAR, item_id VARCHAR, told_at BIGINT", [("3", "z", 9)]),
    "held_back": (
        "user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT",
        [("3", "b", 0, None, 2_000_000)],
    ),
    "core_interactions": (
        "user_id VARCHAR, item_id VARCHAR, position INTEGER, playtime INTEGER, timestamp BIGINT",
        [("1", "a", 0, 70, 7), ("1", "b", 1, 80, 8), ("1", "c", 2, 90, 9), ("2", "b", 0, 70, 7)],
    ),
    "quarantine": (
        "file VARCHAR, line INTEGER, item INTEGER, reason VARCHAR, text VARCHAR",
        [
            ("libraries", 3, 1, "a negative playtime", "{}"),
            ("libraries", 4, None, "not a Python literal", ""),
        ],
    ),
    "catalogue": (
        "item_id VARCHAR, title VARCHAR, genres VARCHAR[], tags VARCHAR[], price DOUBLE, "
        "release_date VARCHAR, early_access BOOLEAN, attributes VARCHAR",
        [("a", None, ["x"], [], None, None, False, None), ("b", "B", [], [], 0.0, "2018", True, "{}")],
    ),
    "item_names": ("item_id VARCHAR, name VARCHAR", [("a", "A")]),
    "listed_items": (
        "item_id VARCHAR, title VARCHAR, genres VARCHAR[], tags VARCHAR[], price DOUBLE, release_date DATE, "
        "early_access BOOLEAN, attributes VARCHAR",
        [("a", "A", ["x"], None, 5.0, None, True, '{"studio": "Us"}')],
    ),
    "raw_counts": (
        "file VARCHAR, lines_read BIGINT, items_read BIGINT, lines_accepted BIGINT, items_accepted BIGINT, "
        "lines_forgotten BIGINT, items_forgotten BIGINT, repeats BIGINT, times_zoned BIGINT, "
        "times_plain BIGINT",
        [("libraries", 5, 9, 3, 6, 1, 2, 1, 0, 0), ("games", 3, 3, 3, 3, 0, 0, 1, 0, 0)],
    ),
    "raw_lines": (
        "file VARCHAR, lines BIGINT, header BIGINT, blank BIGINT, rows BIGINT, quoted BIGINT, "
        "most_quoted BIGINT",
        [("libraries", 8, 1, 1, 5, 1, 999), ("games", 4, 1, 0, 3, 0, 0)],
    ),
    "unread_values": (
        "file VARCHAR, name VARCHAR, times BIGINT, first_line INTEGER, first_value VARCHAR",
        [("items", "price", 2, 3, "1,234")],
    ),
    "items": (
        "item_index INTEGER, item_id VARCHAR, title VARCHAR, count INTEGER, genres VARCHAR[], "
        "tags VARCHAR[], price DOUBLE, release_date DATE, early_access BOOLEAN, attributes VARCHAR",
        [
            (1, "a", "A", 1, ["x"], None, 1.5, "2018-01-04", True, '{"studio": "S"}'),
            (2, "b", "B", 1, [], [], None, None, None, None),
            (3, "c", "C", 0, None, [], 0.0, None, False, None),
        ],
    ),
    "items_before": ("item_index INTEGER, item_id VARCHAR", [(1, "a"), (2, "b")]),
    "new_items": ("item_id VARCHAR, release_date DATE", [("c", "2018-02-01")]),
    "semantic_ids": ("item_id VARCHAR, codes INTEGER[]", [("a", [0, 3, 0]), ("b", [0, 3, 1])]),
    "drift": (
        "day VARCHAR, champion VARCHAR, measure VARCHAR, n BIGINT, value DOUBLE, bound DOUBLE, "
        "chance DOUBLE, low DOUBLE, high DOUBLE, drifted BOOLEAN",
        [("2026-11-24", "3", "scores", 9, 0.1, 0.05, 0.2, None, None, False)],
    ),
    "online_results": (
        "day VARCHAR, model_version VARCHAR, k INTEGER, requests BIGINT, hits BIGINT, hit_rate DOUBLE, "
        "low DOUBLE, high DOUBLE",
        [("2026-11-24", "3", 10, 4, 1, 0.25, 0.05, 0.7)],
    ),
    "split": (
        "name VARCHAR, validation_from BIGINT, test_from BIGINT, train BIGINT, validation BIGINT, "
        "test BIGINT, context BIGINT, unseen_in_training BIGINT, repeated_share DOUBLE, "
        "exclude_seen BOOLEAN, test_users BIGINT, first_plays BIGINT, reason VARCHAR",
        [("leave-one-out", None, None, 2, 1, 1, 0, 0, 0.0, True, 1, 0, "the plays have no times")],
    ),
    "sequences": (
        "user_index INTEGER, user_id VARCHAR, position INTEGER, item_index INTEGER, split VARCHAR, "
        "timestamp BIGINT",
        [
            (0, "1", 0, 1, "train", None),
            (0, "1", 1, 2, "validation", 8),
            (0, "1", 2, 3, "test", -1),
            (1, "2", 0, 2, "train", 7),
        ],
    ),
    "leaderboard": (
        "model VARCHAR, role VARCHAR, architecture VARCHAR, bundle_hash VARCHAR, users BIGINT, "
        "plays BIGINT, validation_ndcg_at_10 DOUBLE, ndcg_at_10_low DOUBLE, ndcg_at_10_high DOUBLE, "
        "coverage_at_10 DOUBLE, coverage_at_20 DOUBLE, export_error DOUBLE, nan_users BIGINT, "
        "unknown_targets BIGINT, champion_hash VARCHAR, champion_reign BIGINT, "
        + ", ".join(f"{name} DOUBLE" for name in METRICS),
        [
            ("m", "baseline", "markov", HASH, 2, 2, 0.5, 0.4, 0.6, 0.1, 0.2, 0.0, 0, 0, HASH, 3, *GOOD),
            (
                "o",
                "optimum",
                "known process",
                "",
                2,
                2,
                math.nan,
                0.4,
                1.0,
                1.0,
                1.0,
                0.0,
                0,
                0,
                "",
                0,
                *GOOD,
            ),
        ],
    ),
    "test_ranks": (
        "model VARCHAR, user_id VARCHAR, position INTEGER, rank INTEGER",
        [("m", "1", 2, 1), ("m", "3", 1, 7), ("o", "1", 2, 1), ("o", "3", 1, 1)],
    ),
    "test_cohorts": (
        "model VARCHAR, kind VARCHAR, cohort VARCHAR, plays BIGINT, users BIGINT, ndcg_at_10 DOUBLE, "
        "ndcg_at_10_low DOUBLE, ndcg_at_10_high DOUBLE",
        [("m", "user", "new", 1, 1, 0.5, math.nan, math.nan), ("m", "item", "new", 3, 2, 0.2, 0.1, 0.3)],
    ),
    "earlier_ranks": (
        "model VARCHAR, recipe VARCHAR, user_id VARCHAR, position INTEGER, item_id VARCHAR, rank INTEGER",
        [("markov", "0f", "1", 2, "b", 1)],
    ),
    "test_recommendations": (
        "model VARCHAR, user_id VARCHAR, item_id VARCHAR, rank INTEGER, score FLOAT",
        [("m", "1", "b", 1, 0.5), ("m", "1", "c", 2, -0.5)],
    ),
    "test_targets": ("user_index INTEGER, position INTEGER", [(0, 2), (2, 1)]),
    "other_splits": (
        "split VARCHAR, model VARCHAR, plays BIGINT, users BIGINT, ndcg_at_10 DOUBLE, "
        "ndcg_at_10_low DOUBLE, ndcg_at_10_high DOUBLE",
        [("leave-one-out", "markov", 5, 5, 0.5, 0.4, 0.6)],
    ),
    "sequence_audit": (
        "name VARCHAR, value DOUBLE, low DOUBLE, high DOUBLE",
        [("popularity", 0.1, 0.05, 0.2), ("correlation", -0.7, math.nan, math.nan)],
    ),
    "as_served": (
        "measured VARCHAR, kind VARCHAR, cut VARCHAR, model VARCHAR, architecture VARCHAR, "
        "bundle_hash VARCHAR, users BIGINT, never_trained BIGINT, "
        + ", ".join(f"{name}_at_10{end} DOUBLE" for name in ("ndcg", "hr", "mrr") for end in ENDS)
        + ", new_users BIGINT, new_users_ndcg_at_10 DOUBLE",
        [
            ("2026-11-24T02:31:00+00:00", "held back", "last", "served", "sasrec", HASH, 9, 1)
            + (0.2, 0.1, 0.3) * 3
            + (0, None)
        ],
    ),
    "played_until": ("user_id VARCHAR, item_id VARCHAR, timestamp BIGINT", [("1", "d", 9), ("2", "c", None)]),
    "gate": (
        "promote BOOLEAN, winner VARCHAR, reasons VARCHAR[], estimates VARCHAR, override VARCHAR, "
        "winner_hash VARCHAR, champion_hash VARCHAR, champion_reign BIGINT, anchor_hash VARCHAR, "
        "format BIGINT",
        [VERDICT],
    ),
    "refit": (
        "winner_hash VARCHAR, served_hash VARCHAR, refitted BOOLEAN, why VARCHAR, overlap DOUBLE, "
        "coverage_at_10 DOUBLE, ndcg_at_10 DOUBLE, twin_ndcg_at_10 DOUBLE",
        [(HASH, HASH, False, "NEXTPLAY_REFIT=no", None, None, None, None)],
    ),
    "bento": ("tag VARCHAR, bundle_hash VARCHAR, answer VARCHAR", [("nextplay:1", HASH, "{}")]),
    "batch_recommendations": (
        "user_id VARCHAR, item_id VARCHAR, rank INTEGER, score FLOAT",
        [("1", "b", 1, 0.5), ("1", "c", 20, -0.5)],
    ),
    "accepted_source": (
        "in_place_of VARCHAR, interactions BIGINT, users BIGINT, items BIGINT",
        [(HASH, 3, 2, 1)],
    ),
}

Connection = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def all_made() -> Iterator[Connection]:
    with duckdb.connect() as connection:
        for table, (columns, rows) in TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        yield connection


@pytest.fixture
def tables(all_made: Connection) -> Iterator[Connection]:
    """What a test changes in them is undone."""
    all_made.begin()
    yield all_made
    all_made.rollback()


# --- schemas


@pytest.mark.parametrize("table", TABLES)
def test_tables_without_faults_fulfil_their_schemas(tables: Connection, table: str) -> None:
    assert is_sound(DuckDB(tables).ibis_table(table), DESCRIBED[table]), "one query is enough"
    assert schema_faults(DuckDB(tables), DESCRIBED[table]) == []
    tables.execute(f"DELETE FROM {table}")
    assert schema_faults(DuckDB(tables), DESCRIBED[table]) == [], "an empty table breaks no promise"


def test_every_table_is_described_and_tried_here() -> None:
    assert set(DESCRIBED) == set(TABLES)


@pytest.mark.parametrize(
    ("change", "table", "column"),
    [
        ("UPDATE raw_files SET role = 'other'", "raw_files", "role"),
        ("UPDATE semantic_ids SET item_id = '' WHERE item_id = 'a'", "semantic_ids", "item_id"),
        ("UPDATE semantic_ids SET codes = NULL WHERE item_id = 'a'", "semantic_ids", "codes"),
        ("UPDATE raw_files SET sha256 = 'x'", "raw_files", "sha256"),
        ("UPDATE interactions SET user_id = NULL WHERE position = 3", "interactions", "user_id"),
        ("UPDATE interactions SET item_id = '' WHERE position = 3", "interactions", "item_id"),
        ("UPDATE interactions SET position = -1 WHERE position = 3", "interactions", "position"),
        ("UPDATE interactions SET playtime = -1 WHERE position = 3", "interactions", "playtime"),
        ("ALTER TABLE core_interactions ALTER playtime TYPE BIGINT", "core_interactions", "playtime"),
        ("ALTER TABLE core_interactions DROP playtime", "core_interactions", "playtime"),
        ("ALTER TABLE core_interactions ADD extra INTEGER", "core_interactions", "extra"),
        ("UPDATE quarantine SET line = 0", "quarantine", "line"),
        ("UPDATE quarantine SET reason = NULL", "quarantine", "reason"),
        ("UPDATE catalogue SET price = -1.0", "catalogue", "price"),
        ("UPDATE catalogue SET tags = NULL", "catalogue", "tags"),
        ("UPDATE item_names SET name = ''", "item_names", "name"),
        ("UPDATE raw_counts SET repeats = -1", "raw_counts", "repeats"),
        ("UPDATE raw_lines SET quoted = -1", "raw_lines", "quoted"),
        ("UPDATE items SET item_index = 0 WHERE item_index = 1", "items", "item_index"),
        ("UPDATE items SET title = NULL", "items", "title"),
        ("UPDATE items SET price = -1", "items", "price"),
        ("UPDATE split SET train = -1", "split", "train"),
        ("UPDATE sequences SET split = 'other' WHERE position = 2", "sequences", "split"),
        ("UPDATE sequences SET item_index = 0 WHERE position = 2", "sequences", "item_index"),
        ("UPDATE leaderboard SET role = 'other' WHERE model = 'm'", "leaderboard", "role"),
        ("UPDATE leaderboard SET bundle_hash = 'x' WHERE model = 'm'", "leaderboard", "bundle_hash"),
        ("UPDATE leaderboard SET validation_ndcg_at_10 = 1.1", "leaderboard", "validation_ndcg_at_10"),
        ("UPDATE leaderboard SET validation_ndcg_at_10 = NULL", "leaderboard", "validation_ndcg_at_10"),
        ("UPDATE sequence_audit SET low = NULL", "sequence_audit", "low"),
        ("UPDATE sequence_audit SET value = 'nan'::DOUBLE", "sequence_audit", "value"),
        ("UPDATE leaderboard SET ndcg_at_10 = 'nan'::DOUBLE", "leaderboard", "ndcg_at_10"),
        ("UPDATE leaderboard SET coverage_at_10 = NULL", "leaderboard", "coverage_at_10"),
        ("ALTER TABLE leaderboard DROP champion_hash", "leaderboard", "champion_hash"),
        ("UPDATE test_ranks SET rank = 0 WHERE user_id = '3'", "test_ranks", "rank"),
        ("UPDATE test_ranks SET user_id = NULL WHERE rank = 7", "test_ranks", "user_id"),
        ("UPDATE test_recommendations SET rank = 21 WHERE rank = 2", "test_recommendations", "rank"),
        ("UPDATE test_recommendations SET item_id = ''", "test_recommendations", "item_id"),
        ("UPDATE test_targets SET position = 0 WHERE position = 1", "test_targets", "position"),
        ("UPDATE test_targets SET user_index = -1 WHERE position = 1", "test_targets", "user_index"),
        ("UPDATE sequence_audit SET value = NULL WHERE name = 'popularity'", "sequence_audit", "value"),
        ("UPDATE sequence_audit SET name = '' WHERE name = 'popularity'", "sequence_audit", "name"),
        ("UPDATE gate SET promote = NULL", "gate", "promote"),
        ("UPDATE gate SET reasons = NULL", "gate", "reasons"),
        ("UPDATE gate SET winner_hash = 'x'", "gate", "winner_hash"),
        ("UPDATE gate SET champion_reign = -1", "gate", "champion_reign"),
        ("UPDATE gate SET anchor_hash = 'none'", "gate", "anchor_hash"),
        ("UPDATE bento SET bundle_hash = ''", "bento", "bundle_hash"),
        ("UPDATE bento SET tag = ''", "bento", "tag"),
        ("UPDATE batch_recommendations SET rank = 0 WHERE rank = 1", "batch_recommendations", "rank"),
        ("ALTER TABLE batch_recommendations ALTER score TYPE DOUBLE", "batch_recommendations", "score"),
        ("UPDATE accepted_source SET in_place_of = ''", "accepted_source", "in_place_of"),
        ("UPDATE accepted_source SET users = -1", "accepted_source", "users"),
    ],
)
def test_a_schema_finds_what_breaks_it(tables: Connection, change: str, table: str, column: str) -> None:
    tables.execute(change)
    faults = schema_faults(DuckDB(tables), DESCRIBED[table])
    assert faults
    assert not is_sound(DuckDB(tables).ibis_table(table), DESCRIBED[table])
    assert any(column in " ".join(fault) for fault in faults)


def test_a_column_that_may_be_missing_is_not_sound_with_nan(tables: Connection) -> None:
    tables.execute("UPDATE catalogue SET price = 'nan'::DOUBLE")
    assert not is_sound(DuckDB(tables).ibis_table("catalogue"), DESCRIBED["catalogue"])


def test_a_schema_tells_all_that_is_broken_at_once(tables: Connection) -> None:
    tables.execute("UPDATE interactions SET playtime = -1, item_id = '' WHERE position = 3")
    assert {fault[0] for fault in schema_faults(DuckDB(tables), DESCRIBED["interactions"])} == {
        "playtime",
        "item_id",
    }


def test_an_empty_table_of_wrong_columns_breaks_its_schema(tables: Connection) -> None:
    tables.execute("DELETE FROM items; ALTER TABLE items DROP title")
    assert schema_faults(DuckDB(tables), DESCRIBED["items"])


# --- rules

PARAMETERS: dict[str, dict[str, Any]] = {
    "fault_core": {"core": 1},
    "fault_short_play": {"min_playtime": 60},
    "fault_quarantined": {"max_quarantined_share": 0.25},
    "fault_repeated": {"repeats": "first"},
    "fault_united": {"repeats": "first"},
    "fault_leak": {"repeats": "first"},
}
ON = {"fault_repeated": "interactions", "fault_positions": "core_interactions"}  # what `checked` stands for


def faults(tables: Connection, rule: str, **parameters: Any) -> list[tuple[Any, ...]]:
    if rule in ON:
        tables.execute(f"CREATE OR REPLACE VIEW checked AS SELECT * FROM {ON[rule]}")
    _, first, count = rule_faults(DuckDB(tables), rule, {**PARAMETERS.get(rule, {}), **parameters})
    assert count == len(first)
    return first


STATEMENTS = sorted(Path(contracts.__file__).parent.glob("*/sql/*.sql"))
RULES = [path.stem for path in STATEMENTS if path.name.startswith("fault_")]


@pytest.mark.parametrize("rule", RULES)
def test_tables_without_faults_break_no_rule(tables: Connection, rule: str) -> None:
    assert faults(tables, rule) == []


TEMPORAL = "UPDATE split SET name = 't', validation_from = 8, test_from = 9"
PLANTED = [
    ("fault_unaccounted", "UPDATE raw_counts SET lines_read = 6 WHERE file = 'libraries'", "libraries"),
    ("fault_unaccounted", "UPDATE raw_counts SET items_read = 10 WHERE file = 'libraries'", "libraries"),
    ("fault_unaccounted", "DELETE FROM quarantine WHERE item IS NULL", "libraries"),
    ("fault_unaccounted", "DELETE FROM quarantine WHERE item = 1", "libraries"),
    ("fault_unaccounted", "DELETE FROM interactions WHERE position = 3", "interactions"),
    ("fault_unaccounted", "DELETE FROM catalogue WHERE item_id = 'a'", "catalogue"),
    ("fault_events", "UPDATE events SET event_id = 'e1' WHERE event_id = 'e2'", "there twice"),
    ("fault_events", "UPDATE events SET day = '1970-01-03' WHERE event_id = 'e3'", "another day"),
    ("fault_events", "UPDATE events SET received_at = 172800000 WHERE event_id = 'e3'", "another day"),
    ("fault_united", "DELETE FROM all_interactions WHERE item_id = 'c' AND user_id = '2'", "2"),
    ("fault_united", "UPDATE all_interactions SET item_id = 'z' WHERE item_id = 'd'", "1"),
    ("fault_united", "DELETE FROM event_quarantine", "2"),
    ("fault_united", "DELETE FROM held_back", "3"),
    ("fault_united", "INSERT INTO refusals VALUES ('2', 'b', 9)", None),
    ("fault_refusals", "INSERT INTO refusals FROM refusals", "there twice"),
    ("fault_refusals", "INSERT INTO refusals VALUES ('2', 'b', 999)", "played since"),
    ("fault_united", "INSERT INTO all_interactions FROM held_back", "3"),
    (
        "fault_united",
        "INSERT INTO event_quarantine SELECT * REPLACE ('e2' AS event_id) FROM event_quarantine",
        None,
    ),
    ("fault_united", "UPDATE events SET item_id = 'd' WHERE event_id = 'e2'", "2"),
    ("fault_unaccounted", "UPDATE raw_counts SET lines_forgotten = 0 WHERE file = 'libraries'", "libraries"),
    ("fault_unaccounted", "UPDATE raw_counts SET items_forgotten = 0 WHERE file = 'libraries'", "libraries"),
    ("fault_quarantined", "UPDATE raw_counts SET lines_accepted = 2 WHERE file = 'libraries'", "libraries"),
    ("fault_quarantined", "UPDATE raw_counts SET items_accepted = 4 WHERE file = 'libraries'", "libraries"),
    ("fault_quarantined", "UPDATE raw_counts SET lines_accepted = 2 WHERE file = 'games'", "games"),
    ("fault_quarantined", "DELETE FROM interactions", "libraries"),
    ("fault_lines", "UPDATE raw_lines SET lines = 9 WHERE file = 'libraries'", "libraries"),
    ("fault_lines", "UPDATE raw_lines SET rows = 4, quoted = 2 WHERE file = 'libraries'", "libraries"),
    ("fault_lines", "UPDATE raw_lines SET rows = 7, quoted = -1 WHERE file = 'libraries'", "libraries"),
    ("fault_lines", "UPDATE raw_lines SET lines = 5, quoted = 1 WHERE file = 'games'", "games"),
    ("fault_repeated", "UPDATE interactions SET item_id = 'a' WHERE position = 3", "1"),
    ("fault_positions", "UPDATE core_interactions SET position = 3 WHERE position = 2", "1"),
    ("fault_positions", "UPDATE core_interactions SET position = position + 1 WHERE user_id = '2'", "2"),
    ("fault_positions", "UPDATE core_interactions SET position = 0 WHERE position = 1", "1"),
    ("fault_short_play", "UPDATE core_interactions SET playtime = 60 WHERE user_id = '2'", "2"),
    ("fault_short_play", "UPDATE core_interactions SET playtime = 71 WHERE user_id = '2'", "2"),
    ("fault_short_play", "UPDATE core_interactions SET playtime = NULL WHERE user_id = '2'", "2"),
    ("fault_short_play", "UPDATE core_interactions SET timestamp = 3 WHERE user_id = '2'", "2"),
    ("fault_short_play", "UPDATE core_interactions SET item_id = 'z' WHERE user_id = '2'", "2"),
    ("fault_vocabulary", "UPDATE items SET item_id = 'a' WHERE item_id = 'c'", "named twice"),
    ("fault_vocabulary", "UPDATE items SET item_index = 2 WHERE item_id = 'c'", "an index used twice"),
    ("fault_vocabulary", "UPDATE items SET item_index = 4 WHERE item_id = 'c'", "outside 1..n"),
    ("fault_vocabulary", "UPDATE items SET item_index = 0 WHERE item_id = 'a'", "outside 1..n"),
    ("fault_vocabulary", "DELETE FROM items WHERE item_id = 'c'", "without an index"),
    ("fault_vocabulary", "INSERT INTO items (item_index, item_id) VALUES (4, 'z')", "played by nobody"),
    (
        "fault_vocabulary",
        "UPDATE listed_items SET item_id = 'z'; INSERT INTO items (item_index, item_id) VALUES (4, 'y')",
        "played by nobody",
    ),
    ("fault_vocabulary", "UPDATE items_before SET item_index = 3 - item_index", "renumbered"),
    ("fault_vocabulary", "INSERT INTO items_before VALUES (4, 'z')", "renumbered"),
    ("fault_splits", "UPDATE sequences SET split = 'train' WHERE split = 'test'", "1"),
    ("fault_splits", "UPDATE sequences SET split = 'test' WHERE user_id = '2'", "2"),
    ("fault_splits", "UPDATE sequences SET position = 2 - position WHERE user_id = '1'", "1"),
    ("fault_splits", "UPDATE sequences SET split = 'validation' WHERE position = 0 AND user_id = '1'", "1"),
    ("fault_temporal", "UPDATE split SET name = 't', validation_from = 7, test_from = 9", "2"),
    ("fault_temporal", "UPDATE split SET name = 't', validation_from = 9, test_from = 10", "1"),
    ("fault_temporal", f"{TEMPORAL}; UPDATE sequences SET split = 'context' WHERE split = 'test'", "1"),
    ("fault_temporal", f"{TEMPORAL}; UPDATE sequences SET split = 'train' WHERE position = 1", "1"),
    ("fault_leak", "UPDATE sequences SET item_index = 1 WHERE split = 'test'", "1"),
    ("fault_leak", "UPDATE sequences SET item_index = 2 WHERE split = 'test'", "1"),
    ("fault_leak", "UPDATE sequences SET item_index = 1 WHERE split = 'validation'", "1"),
    ("fault_sequences", "DELETE FROM sequences WHERE user_id = '2'", "2"),
    ("fault_sequences", "UPDATE sequences SET item_index = 3 WHERE user_id = '2'", "2"),
    ("fault_sequences", "DELETE FROM core_interactions WHERE user_id = '2'", None),
    ("fault_evidence", "DELETE FROM test_ranks WHERE model = 'm' AND user_id = '3'", "m"),
    ("fault_evidence", "DELETE FROM test_ranks WHERE model = 'm'", "m"),
    ("fault_evidence", "DELETE FROM leaderboard WHERE model = 'm'", "m"),
    ("fault_evidence", "UPDATE leaderboard SET model = 'm'", "m"),
    ("fault_evidence", "UPDATE test_ranks SET user_id = '1'", "m"),
    ("fault_evidence", "UPDATE test_ranks SET user_id = '1', position = 2", "m"),
    ("fault_evidence", "UPDATE leaderboard SET plays = 3", "m"),
    ("fault_evidence", "DELETE FROM test_targets WHERE position = 1", "o"),
]


@pytest.mark.parametrize(("rule", "change", "named"), PLANTED)
def test_a_rule_finds_the_fault_planted_for_it(
    tables: Connection, rule: str, change: str, named: str | None
) -> None:
    tables.execute(change)
    assert named in [row[0] for row in faults(tables, rule)]


def test_a_temporal_split_without_faults_breaks_no_rule(tables: Connection) -> None:
    tables.execute(TEMPORAL)
    assert faults(tables, "fault_temporal") == faults(tables, "fault_splits") == []


def test_the_core_rule_names_weak_users_and_weak_items(tables: Connection) -> None:
    assert faults(tables, "fault_core", core=2) == [("item", "a", 1), ("item", "c", 1), ("user", "2", 1)]


def test_every_rule_has_a_planted_fault_and_runs_as_a_check() -> None:
    assert set(RULES) == {rule for rule, _, _ in PLANTED} | {"fault_core"}
    assert set(RULES) == {rule.statement for table in DESCRIBED.values() for rule in table.rules}
    promised = {key for check in checks_of(*DESCRIBED.values()) for key in check.check_keys}
    twice = 4  # some rules are asked of several tables
    assert len(promised) == len(RULES) + twice + len(TABLES)
    loaded = {spec.key: spec.blocking for check in defs.asset_checks or [] for spec in check.check_specs}
    assert all(loaded[key] for key in promised)


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.stem)
def test_a_statement_is_one_and_carries_over_to_spark(path: Path) -> None:
    (parsed,) = sqlglot.parse(path.read_text(), read="duckdb")
    assert parsed is not None
    assert isinstance(parsed, sqlglot.exp.Query)
    (on_spark,) = sqlglot.parse(carried(path.read_text()), read="spark")
    assert isinstance(on_spark, sqlglot.exp.Query)


CARRIED = [
    ("SELECT epoch_us(t) AS x FROM c", "SELECT UNIX_MICROS(t) AS x FROM c"),
    (
        "SELECT quantile_disc(t, $share) AS x FROM c",
        "SELECT PERCENTILE_DISC(:share) WITHIN GROUP (ORDER BY t) AS x FROM c",
    ),
    (
        "SELECT try_strptime(c.t, ['%Y-%m-%d', '%d %b, %Y', '%B']) AS x FROM c",
        "SELECT COALESCE(TRY_TO_TIMESTAMP(c.t, 'yyyy-M-d'), TRY_TO_TIMESTAMP(c.t, 'd MMM, yyyy'), "
        "TRY_TO_TIMESTAMP(c.t, 'MMMM')) AS x FROM c",
    ),
]


@pytest.mark.parametrize(("statement", "on_spark"), CARRIED)
def test_a_function_that_spark_lacks_is_carried_over(statement: str, on_spark: str) -> None:
    assert carried(statement) == on_spark


# --- checks


def test_a_failing_check_blocks_and_shows_a_sample(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))

    def write(path: Path) -> None:
        with home.lake().connect() as connection:
            columns = "'u' || range // 2 AS user_id, 'a' AS item_id, 1 AS position, 9 AS playtime"
            columns += ", NULL::BIGINT AS timestamp"
            write_parquet(connection, f"SELECT {columns} FROM range(40) ORDER BY ALL", path)

    home.lake().publish("interactions", fingerprint("x"), write)
    by_name = {check.check_key.name: check for check in [*CLEAN_CHECKS, *CORE_CHECKS]}
    assert all(
        spec.blocking
        for check in [*CLEAN_CHECKS, *CORE_CHECKS, *SEQUENCES_CHECKS]
        for spec in check.check_specs
    )
    result = evaluation(by_name["interactions_once"], home=home, cleaning=Cleaning())
    assert not result.passed
    assert result.description == (
        "Broken: No user has an item twice, unless repeats are kept. "
        "20 failing rows; the first: user_id u0, item_id a, times 2. "
        "No data and no setting should lead to this: please report it."
    )
    assert result.metadata["failing rows"].value == 20
    assert "| u1 | a | 2 |" in str(result.metadata["sample"].value)
    assert evaluation(by_name["interactions_fulfils_its_contract"], home=home).passed


def test_a_table_that_was_never_published_is_a_fault_unless_it_is_optional(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    optional = {name for name, table in DESCRIBED.items() if table.optional}
    assert optional == {
        "bento", "batch_recommendations", "accepted_source", "refit", "test_cohorts", "earlier_ranks",
        "other_splits", "semantic_ids", *AS_SERVED_TABLES,
    }  # fmt: skip
    for name in optional:
        assert evaluation(contract(DESCRIBED[name]), home=home).passed
    with pytest.raises(LakeError, match="materialize the asset 'gate' first"):
        evaluation(contract(DESCRIBED["gate"]), home=home)


def test_a_sample_never_breaks_its_table() -> None:
    result = verdict("x", ["text"], [("a|b\nc",), ("x" * 500,)], 2)
    lines = str(result.metadata["sample"].value).splitlines()
    assert lines[2] == "| a\\|b c |"
    assert len(lines) == 4
    assert len(lines[3]) < 100
