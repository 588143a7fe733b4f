-- What each user played long enough to learn from, oldest first, before the k-core.
SELECT user_id, array_agg(item_id ORDER BY position) AS items
FROM all_interactions
WHERE playtime > $min_playtime OR playtime IS NULL
GROUP BY user_id
ORDER BY user_id
