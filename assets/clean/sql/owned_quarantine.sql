-- What was left out of the libraries and of the catalogue of the store.
SELECT 'libraries' AS file, line, item, reason, text
FROM read_libraries
WHERE reason IS NOT NULL
UNION ALL
SELECT file, line, item, reason, text
FROM catalogue_quarantine
ORDER BY file, line, item
