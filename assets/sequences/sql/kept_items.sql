-- The items that have the index that they have in the champion's vocabulary.
SELECT item_index, item_id
FROM item_order
WHERE kept
ORDER BY item_index
