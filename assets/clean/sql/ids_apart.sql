-- Items that are played and not described, and others that are described and not played, which differ in capital
-- letters alone: how many, and the first of each.
SELECT count(*) AS items, min(played) AS first_played, arg_min(described, played) AS first_described
FROM (
    SELECT min(CASE WHEN played THEN item_id END) AS played, min(CASE WHEN NOT played THEN item_id END) AS described
    FROM (
        SELECT item_id, max(played) = 1 AS played
        FROM (
            SELECT DISTINCT item_id, 1 AS played FROM interactions
            UNION ALL
            SELECT item_id, 0 AS played FROM catalogue
        ) AS named
        GROUP BY item_id
        HAVING count(*) = 1
    ) AS apart
    GROUP BY lower(item_id)
    HAVING count(DISTINCT played) = 2
) AS pairs
