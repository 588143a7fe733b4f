-- Ids that are numbers of more digits than programs keep, and how many of them hold nothing but zeros behind: from the
-- 16th digit on, as spreadsheets leave them, or from the 18th, as JavaScript does. By what they are of.
SELECT what, count(*) AS ids, count(CASE WHEN rounded THEN 1 END) AS rounded, min(CASE WHEN rounded THEN id END) AS first
FROM (
    SELECT what, id, regexp_matches(id, '^([0-9]{15}|[0-9]{17})0+\z') AS rounded
    FROM (
        SELECT 'user' AS what, user_id AS id FROM interactions
        UNION
        SELECT 'item' AS what, item_id AS id FROM interactions
    ) AS ids
    WHERE regexp_matches(id, '^[1-9][0-9]{15,}\z')
) AS long_ids
GROUP BY what
ORDER BY what DESC
