-- The users, and the items, that have the most plays, with the number of all users or items and of all plays.
SELECT what, id, plays, place, ids, all_plays
FROM (
    SELECT
        what,
        id,
        plays,
        row_number() OVER (PARTITION BY what ORDER BY plays DESC, id) AS place,
        count(*) OVER (PARTITION BY what) AS ids,
        sum(plays) OVER (PARTITION BY what) AS all_plays
    FROM (
        SELECT 'user' AS what, user_id AS id, count(*) AS plays FROM interactions GROUP BY user_id
        UNION ALL
        SELECT 'item' AS what, item_id AS id, count(*) AS plays FROM interactions GROUP BY item_id
    ) AS counted
) AS ordered
WHERE place <= $shown
ORDER BY what DESC, place
