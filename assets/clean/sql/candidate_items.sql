-- A number for each item with an interaction long enough to learn from, in the order of their ids.
SELECT item_id, CAST(row_number() OVER (ORDER BY item_id) AS INTEGER) AS item_number
FROM (
    SELECT DISTINCT item_id
    FROM interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
) AS distinct_items
