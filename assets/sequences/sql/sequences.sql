-- What each user played as item indexes, oldest first; users are numbered in the order of their ids.
SELECT
    CAST(users.user_number - 1 AS INTEGER) AS user_index,
    splits.user_id,
    splits.position,
    items.item_index,
    splits.split,
    splits.timestamp
FROM splits
JOIN items ON items.item_id = splits.item_id
JOIN (
    SELECT user_id, row_number() OVER (ORDER BY user_id) AS user_number
    FROM (SELECT DISTINCT user_id FROM splits) AS distinct_users
) AS users ON users.user_id = splits.user_id
ORDER BY user_index, splits.position
