-- The events, with the reason for which each is left out of this run, or none. A game is known that the source's
-- players have, its catalogue or an application lists: an event that waits for its game is taken in by the first run that knows it.
-- `play` numbers the events in the order in which they were played.
SELECT
    events.event_id,
    events.user_id,
    events.item_id,
    events.played_at,
    events.received_at,
    row_number() OVER (ORDER BY events.played_at, events.received_at, events.event_id) AS play,
    CASE
        WHEN events.received_at > $cutoff THEN 'received after the cut-off of the run'
        WHEN events.played_at > events.received_at + $clock_tolerance THEN 'played later than it was received'
        WHEN list_contains($missing, events.user_id) THEN 'a user_id that stands for a missing one'
        WHEN known.item_id IS NULL THEN 'a game that neither the source nor its catalogue knows'
    END AS reason
FROM events
LEFT JOIN (
    SELECT item_id FROM interactions
    UNION
    SELECT item_id FROM catalogue
    UNION
    SELECT item_id FROM listed
) AS known ON known.item_id = events.item_id
