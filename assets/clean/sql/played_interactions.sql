-- One row for each user and item, its first play (or one for each play, where repeats are kept), in the order of time.
SELECT
    user_id,
    item_id,
    CAST(row_number() OVER (PARTITION BY user_id ORDER BY time, file, line) - 1 AS INTEGER) AS position,
    CAST(NULL AS INTEGER) AS playtime,
    time AS timestamp
FROM numbered_plays
WHERE play = 1 OR $repeats = 'keep'
ORDER BY user_id, position
