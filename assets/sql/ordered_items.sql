-- The item vocabulary in the order of its indexes.
SELECT item_index, item_id, title, count
FROM items
ORDER BY item_index
