-- The events that were there and those of the store, each once, without what forgotten users played; in the order of
-- arrival. `day` is the day (UTC) on which an event was received.
SELECT event_id, user_id, item_id, played_at, received_at, request_id, day
FROM (
    SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY received_at) AS place
    FROM (
        SELECT event_id, user_id, item_id, played_at, received_at, request_id, day FROM events_before
        UNION ALL
        SELECT event_id, user_id, item_id, played_at, received_at, request_id, day FROM new_events
    ) AS received
) AS numbered
WHERE place = 1 AND user_id NOT IN (SELECT user_id FROM forgotten)
ORDER BY received_at, event_id
