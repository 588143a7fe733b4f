-- What the catalogue calls released since a day, or later, and nobody plays in the core; a date is taken in the forms of the
-- Steam store, a month as its first day.
SELECT item_id, release_date
FROM (
    SELECT item_id, CAST(
        try_strptime(release_date, ['%Y-%m-%d', '%b %Y', '%B %Y', '%Y', '%b %d, %Y', '%d %b, %Y']) AS DATE
    ) AS release_date
    FROM catalogue
) AS dated
WHERE release_date >= CAST($since AS DATE)
    AND item_id NOT IN (SELECT item_id FROM core_interactions)
ORDER BY item_id
