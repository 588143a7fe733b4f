-- Users and items with fewer interactions than the core asks for.
SELECT 'user' AS kind, user_id AS id, count(*) AS interactions
FROM core_interactions
GROUP BY user_id
HAVING count(*) < $core
UNION ALL
SELECT 'item' AS kind, item_id AS id, count(*) AS interactions
FROM core_interactions
GROUP BY item_id
HAVING count(*) < $core
ORDER BY kind, id
