-- The rows that are plays.
SELECT file, line, user_id, item_id, time, parts, zoned
FROM judged_plays
WHERE refused IS NULL AND user_id NOT IN (SELECT user_id FROM forgotten)
