-- What was left out of files of plays and of items, under the roles of the files.
SELECT files.role AS file, refused.line, CAST(NULL AS INTEGER) AS item, refused.reason, refused.text
FROM refused
JOIN files ON files.file = refused.file
UNION ALL
SELECT file, line, item, reason, text
FROM catalogue_quarantine
ORDER BY file, line
