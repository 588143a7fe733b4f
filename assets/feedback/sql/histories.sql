-- What each user played long enough to learn from, oldest first, before the k-core. Events that wait for their game are
-- there, too, at their time: users have played these games, and one that is listed in the daytime is no news to them.
SELECT user_id, array_agg(item_id ORDER BY time NULLS FIRST, origin, place) AS items
FROM (
    SELECT
        user_id,
        item_id,
        max(timestamp) OVER (PARTITION BY user_id ORDER BY position) AS time,
        0 AS origin,
        position AS place
    FROM all_interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
    UNION ALL
    SELECT
        user_id,
        item_id,
        CAST(floor(played_at * $units_a_ms) AS BIGINT) + $offset AS time,
        1 AS origin,
        play AS place
    FROM (
        SELECT
            waiting.user_id,
            waiting.item_id,
            waiting.played_at,
            row_number() OVER (ORDER BY waiting.played_at, waiting.received_at, waiting.event_id) AS play,
            row_number() OVER (
                PARTITION BY waiting.user_id, waiting.item_id
                ORDER BY waiting.played_at, waiting.received_at, waiting.event_id
            ) AS time_of_this_item
        FROM event_quarantine AS waiting
        LEFT JOIN refused ON refused.user_id = waiting.user_id AND refused.item_id = waiting.item_id
        WHERE waiting.reason = 'a game that neither the source nor its catalogue knows' AND refused.item_id IS NULL
    ) AS numbered
    WHERE time_of_this_item = 1 OR $repeats = 'keep'
) AS played
GROUP BY user_id
ORDER BY user_id
