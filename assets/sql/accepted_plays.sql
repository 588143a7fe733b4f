-- The rows of a file that are plays.
SELECT $file AS file, line, user_id, item_id, time
FROM judged_plays
WHERE refused IS NULL
