-- By file: how many times of day say how far they are from UTC, and how many do not.
SELECT
    file,
    sum(CASE WHEN zoned THEN 1 ELSE 0 END) AS zoned,
    sum(CASE WHEN NOT zoned THEN 1 ELSE 0 END) AS plain
FROM plays
GROUP BY file
