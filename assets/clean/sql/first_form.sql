-- Whether the first timestamp that can be read is a whole number or a date: all others have to be the same.
SELECT form
FROM read_plays
WHERE form IS NOT NULL
ORDER BY file, line
LIMIT 1
