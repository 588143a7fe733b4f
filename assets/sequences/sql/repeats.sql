-- How many plays come after a user's first, how many of them are of an item that the user has played before, and how many
-- items there are.
SELECT
    CAST(coalesce(sum(users.plays), 0) - count(*) AS BIGINT) AS later,
    CAST(coalesce(sum(users.plays) - sum(users.items), 0) AS BIGINT) AS repeats,
    (SELECT count(DISTINCT item_id) FROM core_interactions) AS items
FROM (
    SELECT user_id, count(*) AS plays, count(DISTINCT item_id) AS items
    FROM core_interactions
    GROUP BY user_id
) AS users
