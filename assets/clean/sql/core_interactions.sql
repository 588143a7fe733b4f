-- What the k-core kept, in the order of the libraries, positions dense again.
SELECT
    users.user_id,
    items.item_id,
    CAST(row_number() OVER (PARTITION BY kept.user_number ORDER BY kept.position) - 1 AS INTEGER) AS position,
    kept.playtime,
    kept.timestamp
FROM remaining AS kept
JOIN candidate_users AS users ON users.user_number = kept.user_number
JOIN candidate_items AS items ON items.item_number = kept.item_number
ORDER BY kept.user_number, kept.position
