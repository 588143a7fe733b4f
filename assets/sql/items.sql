-- The item vocabulary: indexes from 1 in the order of the item ids as texts, so that they do not depend on
-- who played what; the title of the catalogue, else the name in the libraries, else the id; and how often an
-- item occurs in the training part.
SELECT
    CAST(row_number() OVER (ORDER BY counts.item_id) AS INTEGER) AS item_index,
    counts.item_id,
    coalesce(catalogue.title, item_names.name, counts.item_id) AS title,
    CAST(counts.trained AS INTEGER) AS count
FROM (
    SELECT item_id, sum(CASE WHEN split = 'train' THEN 1 ELSE 0 END) AS trained
    FROM splits
    GROUP BY item_id
) AS counts
LEFT JOIN catalogue ON catalogue.item_id = counts.item_id
LEFT JOIN item_names ON item_names.item_id = counts.item_id
ORDER BY item_index
