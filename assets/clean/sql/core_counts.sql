-- How large the core is.
SELECT
    count(DISTINCT user_id) AS users,
    count(DISTINCT item_id) AS games,
    count(*) AS interactions
FROM core_interactions
