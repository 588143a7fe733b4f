-- The first play of each user that is held back and long enough to learn from, with all that came before it, oldest
-- first, and whether the user is among those who were learned from.
SELECT held.user_id, coalesce(earlier.items, []) AS history, held.item_id, learned.user_id IS NOT NULL AS known
FROM (
    SELECT user_id, item_id, row_number() OVER (PARTITION BY user_id ORDER BY position) AS place
    FROM held_back
    WHERE playtime > $min_playtime OR playtime IS NULL
) AS held
LEFT JOIN (
    SELECT user_id, array_agg(item_id ORDER BY position) AS items
    FROM all_interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
    GROUP BY user_id
) AS earlier ON earlier.user_id = held.user_id
LEFT JOIN (SELECT DISTINCT user_id FROM sequences) AS learned ON learned.user_id = held.user_id
WHERE held.place = 1
ORDER BY held.user_id
