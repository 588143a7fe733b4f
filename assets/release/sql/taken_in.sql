-- Those of some events that the table `events` holds.
SELECT event_id
FROM some_events
WHERE event_id IN (SELECT event_id FROM events)
