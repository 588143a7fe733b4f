-- The highest sequence of some events that this run takes into account; none where it takes none of them.
SELECT max(sequence) AS newest
FROM some_events
WHERE event_id IN (SELECT event_id FROM events)
    AND event_id NOT IN (
        SELECT event_id FROM event_quarantine WHERE reason = 'received after the cut-off of the run'
    )
