-- The test plays of tonight that were trained or validated on in an earlier version of the sequences.
SELECT DISTINCT made.user_index, made.position
FROM sequences AS made
JOIN items ON items.item_index = made.item_index
JOIN read_parquet($items) AS items_then ON items_then.item_id = items.item_id
JOIN read_parquet($sequences) AS known
    ON known.user_id = made.user_id
    AND known.item_index = items_then.item_index
    AND known.timestamp IS NOT DISTINCT FROM made.timestamp
WHERE made.split = 'test' AND known.split IN ('train', 'validation')
