-- A number for each user with an interaction long enough to learn from, in the order of their ids.
SELECT user_id, CAST(row_number() OVER (ORDER BY user_id) AS INTEGER) AS user_number
FROM (
    SELECT DISTINCT user_id
    FROM interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
) AS distinct_users
