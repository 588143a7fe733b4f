-- What each file of plays held, as accepted: a row holds one item.
SELECT
    file,
    count(*) AS accepted,
    sum(CASE WHEN play = 1 OR $repeats = 'keep' THEN 0 ELSE 1 END) AS repeats
FROM numbered_plays
GROUP BY file
ORDER BY file
