-- The events of some days, and how many items of its user's history came before each that is learned from.
SELECT events.day, events.item_id, made.position
FROM events
LEFT JOIN all_interactions AS made
    ON made.user_id = events.user_id
    AND made.item_id = events.item_id
    AND made.timestamp = CAST(floor(events.played_at * $units_a_ms) AS BIGINT) + $offset
WHERE events.day >= $first AND events.day <= $last
ORDER BY events.day, events.received_at, events.event_id
