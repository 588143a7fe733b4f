-- How many plays have a time, and the last of these.
SELECT count(*) AS plays, count(timestamp) AS timed, max(timestamp) AS last
FROM all_interactions
