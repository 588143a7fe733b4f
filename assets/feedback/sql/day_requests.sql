-- The answers that a day gave: which model, whether popularity had to step in, and the score of its first item.
SELECT
    request_id,
    day,
    min(model_version) AS model_version,
    max(CASE WHEN fallback IS NULL THEN 0 ELSE 1 END) AS fell_back,
    max(CASE WHEN rank = 1 THEN score END) AS score
FROM impressions
GROUP BY request_id, day
ORDER BY day, request_id
