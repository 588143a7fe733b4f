-- Of the answers of each day and model that went to known users: to how many a play of one of the first k items
-- followed, within the time allowed. An event that names an answer counts for it alone, another for all of its user's.
SELECT
    requests.day,
    requests.model_version,
    cutoffs.k,
    count(*) AS requests,
    count(CASE WHEN hits.best <= cutoffs.k THEN 1 END) AS hits
FROM (
    SELECT DISTINCT request_id, day, model_version
    FROM impressions
    WHERE user_id IS NOT NULL AND fallback IS NULL
) AS requests
CROSS JOIN (
    SELECT 1 AS k
    UNION ALL
    SELECT 5 AS k
    UNION ALL
    SELECT 10 AS k
    UNION ALL
    SELECT 20 AS k
) AS cutoffs
LEFT JOIN (
    SELECT shown.request_id, min(shown.rank) AS best
    FROM impressions AS shown
    JOIN events
        ON events.user_id = shown.user_id
        AND events.item_id = shown.item_id
        AND events.played_at BETWEEN shown.shown_at AND shown.shown_at + $within
        AND coalesce(events.request_id, shown.request_id) = shown.request_id
    GROUP BY shown.request_id
) AS hits ON hits.request_id = requests.request_id
GROUP BY requests.day, requests.model_version, cutoffs.k
ORDER BY requests.day, requests.model_version, cutoffs.k
