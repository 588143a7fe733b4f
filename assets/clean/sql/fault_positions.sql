-- Users whose positions are not exactly 0, 1, 2, ...
SELECT user_id, min(position) AS first, max(position) AS last, count(*) AS interactions
FROM checked
GROUP BY user_id
HAVING min(position) <> 0 OR max(position) <> count(*) - 1 OR count(DISTINCT position) <> count(*)
ORDER BY user_id
