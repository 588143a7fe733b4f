-- The events that are left out for now, in the order of arrival.
SELECT event_id, user_id, item_id, played_at, received_at, reason
FROM judged_events
WHERE reason IS NOT NULL
ORDER BY received_at, event_id
