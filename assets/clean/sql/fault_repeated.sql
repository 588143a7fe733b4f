-- Users who have an item twice, unless repeats are kept.
SELECT user_id, item_id, count(*) AS times
FROM checked
WHERE $repeats <> 'keep'
GROUP BY user_id, item_id
HAVING count(*) > 1
ORDER BY user_id, item_id
