-- Plays, each with its number among the plays of its user and item. Ties in time are broken by the order of the
-- files and of their lines.
SELECT
    file,
    line,
    user_id,
    item_id,
    time,
    row_number() OVER (PARTITION BY user_id, item_id ORDER BY time, file, line) AS play
FROM timed_plays
