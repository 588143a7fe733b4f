-- Rows that describe an item again and otherwise than the first one does, and the first of them.
SELECT count(*) AS items, min(line) AS line, arg_min(item_id, line) AS item_id
FROM (
    SELECT again.line, again.item_id
    FROM all_items AS again
    JOIN described_items AS first ON first.item_id = again.item_id
    WHERE again.title IS DISTINCT FROM first.title
        OR again.genres IS DISTINCT FROM first.genres
        OR again.tags IS DISTINCT FROM first.tags
        OR again.price IS DISTINCT FROM first.price
        OR again.release_date IS DISTINCT FROM first.release_date
        OR again.early_access IS DISTINCT FROM first.early_access
        OR again.attributes IS DISTINCT FROM first.attributes
) AS differing
