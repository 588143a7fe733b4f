-- How many plays have a time, and from when to when.
SELECT count(*) AS plays, count(timestamp) AS dated, min(timestamp) AS first, max(timestamp) AS last
FROM core_interactions
