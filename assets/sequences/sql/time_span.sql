-- How many plays have a time, from when to when, and how many times differ.
SELECT
    count(*) AS plays,
    count(timestamp) AS dated,
    min(timestamp) AS first,
    max(timestamp) AS last,
    count(DISTINCT timestamp) AS different
FROM core_interactions
