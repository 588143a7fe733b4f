"""What the event store asks of its database: its tables and statements, which SQLite and Postgres share.

Statements have `?` where a value is bound. The column `received_at` of the tables is the sequence: the time
of the commit, or one more than that of the commit before it where the clock has not moved on. Where that is
another time than the clock's, the table `clocks` has the clock's, so no event costs more for it, and a store
of before needs no change.
"""

from serving.state.feedback_sql import FEEDBACK_DDL

PAGE = 10_000  # rows fetched at a time
TABLES = (
    *("events", "impressions", "propensities", "feedback", "clocks", "forgotten"),
    *("listed_items", "listing_changes"),
)

DDL = """
CREATE TABLE events (
    event_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    played_at BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    request_id TEXT
);
CREATE INDEX events_by_user ON events (user_id, played_at);
CREATE INDEX events_by_arrival ON events (received_at);
CREATE TABLE impressions (
    request_id TEXT NOT NULL,
    rank INTEGER NOT NULL,
    user_id TEXT,
    item_id TEXT NOT NULL,
    score DOUBLE PRECISION,
    model_version TEXT NOT NULL,
    fallback TEXT,
    shown_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, rank)
);
CREATE INDEX impressions_by_user ON impressions (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX impressions_by_time ON impressions (shown_at);
CREATE TABLE forgotten (
    user_id TEXT PRIMARY KEY,
    forgotten_at BIGINT NOT NULL
);
CREATE INDEX forgotten_by_time ON forgotten (forgotten_at);
"""

# Additive, so a store of before gets them when it is opened.
LATER_DDL = (
    """
    CREATE TABLE IF NOT EXISTS listed_items (
        item_id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        attributes TEXT NOT NULL,
        listed_at BIGINT NOT NULL
    )
    """,
    "CREATE TABLE IF NOT EXISTS listing_changes (id INTEGER PRIMARY KEY, made BIGINT NOT NULL)",
    # The time of a commit by the clock of who made it, where that is not its place in the order.
    "CREATE TABLE IF NOT EXISTS clocks (sequence BIGINT PRIMARY KEY, received_at BIGINT NOT NULL)",
    # Of the impressions in which chance took part.
    """
    CREATE TABLE IF NOT EXISTS propensities (
        request_id TEXT NOT NULL,
        rank INTEGER NOT NULL,
        propensity DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (request_id, rank)
    )
    """,
    *FEEDBACK_DDL,
)
LIST_ITEM = """
INSERT INTO listed_items VALUES (?, ?, ?, ?) ON CONFLICT (item_id) DO UPDATE
SET title = excluded.title, attributes = excluded.attributes, listed_at = excluded.listed_at
"""
COUNT_LISTED = "SELECT count(*) FROM listed_items"
# Each change draws its number: after a restore, a count would come to the same one again by other changes.
MARK_CHANGE = """
INSERT INTO listing_changes VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET made = excluded.made
"""
LISTING_STATE = "SELECT coalesce(max(made), 0) FROM listing_changes"

INSERT_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)"
INSERT_IMPRESSION = """
INSERT INTO impressions
SELECT * FROM (SELECT ? AS request_id, ?, ? AS user_id, ?, ?, ?, ?, ?) AS shown
WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE forgotten.user_id = shown.user_id)
ON CONFLICT DO NOTHING
"""
# Of impressions that are kept: one of a forgotten user is none, and nothing would ever remove its chance.
INSERT_PROPENSITY = """
INSERT INTO propensities
SELECT request_id, rank, CAST(? AS DOUBLE PRECISION) FROM impressions WHERE request_id = ? AND rank = ?
ON CONFLICT DO NOTHING
"""
FORGET_PROPENSITIES = """
DELETE FROM propensities WHERE request_id IN (SELECT request_id FROM impressions WHERE user_id = ?)
"""
OLDEST_IMPRESSIONS = """
SELECT request_id, rank FROM impressions WHERE shown_at < ? ORDER BY shown_at, request_id, rank LIMIT ?
"""
REMOVE_IMPRESSIONS = f"DELETE FROM impressions WHERE (request_id, rank) IN ({OLDEST_IMPRESSIONS})"
REMOVE_PROPENSITIES = f"DELETE FROM propensities WHERE (request_id, rank) IN ({OLDEST_IMPRESSIONS})"
REMOVE_CLOCKS = """
DELETE FROM clocks WHERE sequence < (SELECT min(received_at) FROM events)
    AND NOT EXISTS (SELECT 1 FROM feedback WHERE feedback.sequence = clocks.sequence)
"""
LAST_CHANGE = """
SELECT coalesce(max(at), 0) FROM (
    SELECT max(received_at) AS at FROM events
    UNION ALL SELECT max(forgotten_at) FROM forgotten
    UNION ALL SELECT max(sequence) FROM feedback
) AS changes
"""
STORED_EVENTS = """
SELECT event_id, user_id, item_id, played_at, coalesce(clocks.received_at, events.received_at), request_id,
    events.received_at AS number
FROM events LEFT JOIN clocks ON clocks.sequence = events.received_at
"""
EVENT_BY_ID = "SELECT event_id, user_id, item_id, played_at, request_id FROM events WHERE event_id = ?"
NEXT_EVENTS = f"""
{STORED_EVENTS} WHERE events.received_at >= ? AND (events.received_at, event_id) > (?, ?)
ORDER BY number, event_id LIMIT {PAGE}
"""
LAST_UNTIL = """
SELECT events.received_at FROM events LEFT JOIN clocks ON clocks.sequence = events.received_at
WHERE coalesce(clocks.received_at, events.received_at) <= ? ORDER BY 1 DESC LIMIT 1
"""
NEXT_IMPRESSIONS = f"""
SELECT impressions.*, propensity FROM impressions
LEFT JOIN propensities ON propensities.request_id = impressions.request_id
    AND propensities.rank = impressions.rank
WHERE shown_at >= ? AND (shown_at, impressions.request_id, impressions.rank) > (?, ?, ?)
ORDER BY shown_at, impressions.request_id, impressions.rank LIMIT {PAGE}
"""
NEWEST_PLAYS = """
SELECT item_id FROM events WHERE user_id = ? AND received_at > ?
ORDER BY played_at DESC, received_at DESC, event_id DESC LIMIT ?
"""
