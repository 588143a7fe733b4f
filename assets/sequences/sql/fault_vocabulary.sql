-- Where item ids and the indexes 1..n are not one to one: an id or index named twice, a gap, an item of the interactions
-- that has no index, an index of an item that neither they nor the vocabulary before have and that is neither listed nor
-- new, or another index than before.
SELECT 'named twice' AS fault, item_id, min(item_index) AS item_index
FROM items
GROUP BY item_id
HAVING count(*) > 1
UNION ALL
SELECT 'an index used twice' AS fault, min(item_id) AS item_id, item_index
FROM items
GROUP BY item_index
HAVING count(*) > 1
UNION ALL
SELECT 'outside 1..n' AS fault, item_id, item_index
FROM items
WHERE item_index < 1 OR item_index > (SELECT count(*) FROM items)
UNION ALL
SELECT 'without an index' AS fault, played.item_id, NULL AS item_index
FROM (SELECT DISTINCT item_id FROM core_interactions) AS played
LEFT JOIN items ON items.item_id = played.item_id
WHERE items.item_id IS NULL
UNION ALL
SELECT 'played by nobody' AS fault, items.item_id, items.item_index
FROM items
LEFT JOIN (SELECT DISTINCT item_id FROM core_interactions) AS played ON played.item_id = items.item_id
LEFT JOIN items_before ON items_before.item_id = items.item_id
LEFT JOIN listed_items ON listed_items.item_id = items.item_id
LEFT JOIN new_items ON new_items.item_id = items.item_id
WHERE played.item_id IS NULL AND items_before.item_id IS NULL AND listed_items.item_id IS NULL
    AND new_items.item_id IS NULL
UNION ALL
SELECT 'renumbered' AS fault, items_before.item_id, items.item_index
FROM items_before
LEFT JOIN items ON items.item_id = items_before.item_id
WHERE items.item_index IS DISTINCT FROM items_before.item_index
ORDER BY fault, item_id
