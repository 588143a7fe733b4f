-- The catalogue of a file of items: of rows with one id the first is kept.
SELECT item_id, title, genres, tags, price, release_date, early_access, attributes
FROM (
    SELECT *, row_number() OVER (PARTITION BY item_id ORDER BY line) AS place
    FROM all_items
) AS numbered
WHERE place = 1
ORDER BY item_id
