-- When the newest event that this run takes into account was received; 0 where there is none.
SELECT coalesce(max(received_at), 0) AS cutoff
FROM events
WHERE event_id NOT IN (
    SELECT event_id FROM event_quarantine WHERE reason = 'received after the cut-off of the run'
)
