-- The rows of a file of items that name none.
SELECT file, line, coalesce(reason, 'no item_id') AS reason, text
FROM batch
WHERE reason IS NOT NULL OR coalesce(item_id, '') = ''
