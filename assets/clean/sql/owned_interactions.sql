-- Libraries united by user: an item keeps the place where it was seen first, and its largest playtime.
SELECT
    user_id,
    item_id,
    CAST(row_number() OVER (PARTITION BY user_id ORDER BY line, item) - 1 AS INTEGER) AS position,
    playtime,
    CAST(NULL AS BIGINT) AS timestamp
FROM (
    SELECT
        user_id,
        item_id,
        line,
        item,
        max(playtime) OVER (PARTITION BY user_id, item_id) AS playtime,
        row_number() OVER (PARTITION BY user_id, item_id ORDER BY line, item) AS place
    FROM read_libraries
    WHERE user_id IS NOT NULL
) AS placed
WHERE place = 1
ORDER BY user_id, position
