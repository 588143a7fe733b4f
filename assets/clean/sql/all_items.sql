-- The games of the catalogue of the store, as a file of items has them.
SELECT line, item_id, title, genres, tags, price, release_date, early_access, attributes
FROM read_games
WHERE item_id IS NOT NULL
