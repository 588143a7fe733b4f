-- How many rows of each file of plays are those of forgotten users.
SELECT file, count(*) AS rows
FROM forgotten_plays
GROUP BY file
