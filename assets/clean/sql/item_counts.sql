-- How many different items the file of items names.
SELECT count(DISTINCT item_id) AS different
FROM all_items
