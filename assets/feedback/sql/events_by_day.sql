-- What each day brought.
SELECT day, count(*) AS events, count(DISTINCT user_id) AS users, count(DISTINCT item_id) AS games
FROM events
GROUP BY day
ORDER BY day DESC
LIMIT 30
