-- Refusals that are there twice, and those of what was played since.
SELECT 'there twice' AS fault, user_id, item_id
FROM refusals
GROUP BY user_id, item_id
HAVING count(*) > 1
UNION ALL
SELECT 'played since' AS fault, refusals.user_id, refusals.item_id
FROM refusals
JOIN events ON events.user_id = refusals.user_id AND events.item_id = refusals.item_id
WHERE events.played_at > refusals.told_at
ORDER BY fault, user_id, item_id
