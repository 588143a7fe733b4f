-- The item vocabulary in the order of its indexes.
SELECT *
FROM items
ORDER BY item_index
