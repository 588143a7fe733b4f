-- Events that are there twice, and a received day that is not that of the time at which the event was received.
SELECT 'there twice' AS fault, event_id, CAST(count(*) AS VARCHAR) AS found
FROM events
GROUP BY event_id
HAVING count(*) > 1
UNION ALL
SELECT 'another day' AS fault, event_id, day AS found
FROM events
WHERE day <> CAST(CAST(TIMESTAMP '1970-01-01 00:00:00' + received_at / 1000 * INTERVAL '1 second' AS DATE) AS VARCHAR)
ORDER BY fault, event_id
