-- How much the rounds of the k-core have left so far; `longest` is the most that a user has.
SELECT
    coalesce(sum(plays), 0) AS plays,
    count(*) AS users,
    (SELECT count(DISTINCT item_number) FROM remaining) AS items,
    coalesce(max(plays), 0) AS longest
FROM (
    SELECT user_number, count(*) AS plays
    FROM remaining
    GROUP BY user_number
) AS of_users
