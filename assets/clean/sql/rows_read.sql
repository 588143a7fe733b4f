-- How many rows each file of plays holds.
SELECT file, count(*) AS rows
FROM read_plays
GROUP BY file
