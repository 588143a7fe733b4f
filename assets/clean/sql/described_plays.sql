-- How many items are played and how many described, how many are both, and the first of each that is not both.
SELECT
    count(CASE WHEN played THEN 1 END) AS played,
    count(CASE WHEN described THEN 1 END) AS described,
    count(CASE WHEN played AND described THEN 1 END) AS "both",
    min(CASE WHEN played AND NOT described THEN item_id END) AS first_played,
    min(CASE WHEN described AND NOT played THEN item_id END) AS first_described
FROM (
    SELECT item_id, max(played) = 1 AS played, max(described) = 1 AS described
    FROM (
        SELECT DISTINCT item_id, 1 AS played, 0 AS described FROM interactions
        UNION ALL
        SELECT item_id, 0 AS played, 1 AS described FROM catalogue
    ) AS named
    GROUP BY item_id
) AS items
