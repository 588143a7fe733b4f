-- The rows that are left out, as they cannot be used.
SELECT file, line, refused AS reason, text
FROM judged_plays
WHERE refused IS NOT NULL AND coalesce(user_id, '') NOT IN (SELECT user_id FROM forgotten)
