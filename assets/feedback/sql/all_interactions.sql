-- Source and events, in the order of time where the source is dated; else the events, in the order of time, come
-- after the library. Of the plays of one game by one user the first counts, unless repeats are kept. Of what a user has refused no play counts.
SELECT
    user_id,
    item_id,
    CAST(row_number() OVER (PARTITION BY user_id ORDER BY time, origin, play) - 1 AS INTEGER) AS position,
    playtime,
    timestamp
FROM (
    SELECT
        united.*,
        row_number() OVER (PARTITION BY united.user_id, united.item_id ORDER BY time, origin, play) AS place
    FROM (
        SELECT
            user_id,
            item_id,
            playtime,
            timestamp,
            CASE WHEN $dated THEN timestamp END AS time,
            0 AS origin,
            position AS play
        FROM interactions
        UNION ALL
        SELECT
            user_id,
            item_id,
            CAST(NULL AS INTEGER) AS playtime,
            CAST(floor(played_at * $units_a_ms) AS BIGINT) + $offset AS timestamp,
            CASE WHEN $dated THEN CAST(floor(played_at * $units_a_ms) AS BIGINT) + $offset END AS time,
            1 AS origin,
            play
        FROM judged_events
        WHERE reason IS NULL
    ) AS united
    LEFT JOIN refused ON refused.user_id = united.user_id AND refused.item_id = united.item_id
    WHERE refused.item_id IS NULL
) AS numbered
WHERE place = 1 OR $repeats = 'keep'
ORDER BY user_id, position
