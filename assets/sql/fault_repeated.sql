-- Users who have an item twice.
SELECT user_id, item_id, count(*) AS times
FROM checked
GROUP BY user_id, item_id
HAVING count(*) > 1
ORDER BY user_id, item_id
