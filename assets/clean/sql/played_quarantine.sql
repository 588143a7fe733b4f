-- What was left out of files of plays and of items, under the roles of the files; a text that names a forgotten user
-- as a whole word is hidden.
SELECT
    files.role AS file,
    refused.line,
    CAST(NULL AS INTEGER) AS item,
    refused.reason,
    CASE
        WHEN EXISTS (
            SELECT 1
            FROM forgotten
            WHERE contains(
                ' ' || translate(refused.text, $separators, $spaces) || ' ',
                ' ' || translate(forgotten.user_id, $separators, $spaces) || ' '
            )
        )
        THEN $hidden
        ELSE refused.text
    END AS text
FROM refused
JOIN files ON files.file = refused.file
UNION ALL
SELECT file, line, item, reason, text
FROM catalogue_quarantine
ORDER BY file, line
