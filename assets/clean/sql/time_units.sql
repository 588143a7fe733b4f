-- In which units the times of all plays are, and how many are no whole numbers of them.
SELECT unit, count(*) AS plays, sum(CASE WHEN parts > 0 THEN 1 ELSE 0 END) AS broken
FROM measured_plays
GROUP BY unit
