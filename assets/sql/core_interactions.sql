-- What the k-core kept, in the order of the libraries, positions dense again.
SELECT
    user_id,
    item_id,
    CAST(row_number() OVER (PARTITION BY user_number ORDER BY position) - 1 AS INTEGER) AS position,
    playtime,
    timestamp
FROM remaining
ORDER BY user_id, position
