-- The rows that are left out.
SELECT file, line, refused AS reason, text
FROM judged_plays
WHERE refused IS NOT NULL
