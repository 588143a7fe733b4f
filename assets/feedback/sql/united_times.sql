-- How many of the plays have a time, and from when to when they run.
SELECT count(*) AS plays, count(timestamp) AS timed, min(timestamp) AS first, max(timestamp) AS last
FROM united_plays
