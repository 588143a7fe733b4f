-- The item vocabulary in its order; the title of the catalogue, else the name in the libraries, else the title that
-- an application lists it by, else the one that it had before, else the id; and how often an item occurs in the
-- training part. What else the catalogue knows follows, else what was listed; a date is taken in the forms of the
-- Steam store, a month as its first day.
SELECT
    item_order.item_index,
    item_order.item_id,
    coalesce(catalogue.title, item_names.name, listed.title, item_order.title, item_order.item_id) AS title,
    CAST(coalesce(counts.trained, 0) AS INTEGER) AS count,
    coalesce(catalogue.genres, listed.genres) AS genres,
    coalesce(catalogue.tags, listed.tags) AS tags,
    coalesce(catalogue.price, listed.price) AS price,
    coalesce(CAST(
        try_strptime(catalogue.release_date, ['%Y-%m-%d', '%b %Y', '%B %Y', '%Y', '%b %d, %Y', '%d %b, %Y']) AS DATE
    ), listed.release_date) AS release_date,
    coalesce(catalogue.early_access, listed.early_access) AS early_access,
    coalesce(catalogue.attributes, listed.attributes) AS attributes
FROM item_order
LEFT JOIN (
    SELECT item_id, sum(CASE WHEN split = 'train' THEN 1 ELSE 0 END) AS trained
    FROM splits
    GROUP BY item_id
) AS counts ON counts.item_id = item_order.item_id
LEFT JOIN catalogue ON catalogue.item_id = item_order.item_id
LEFT JOIN item_names ON item_names.item_id = item_order.item_id
LEFT JOIN listed ON listed.item_id = item_order.item_id
ORDER BY item_order.item_index
