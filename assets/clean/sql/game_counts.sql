-- How many lines the catalogue of the store has, how many of them are games, and how many different ones.
SELECT
    count(*) AS lines_read,
    count(item_id) AS accepted,
    count(DISTINCT item_id) AS different
FROM read_games
