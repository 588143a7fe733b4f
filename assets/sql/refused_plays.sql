-- The rows of a file that are left out.
SELECT $file AS file, line, refused AS reason, text
FROM judged_plays
WHERE refused IS NOT NULL
