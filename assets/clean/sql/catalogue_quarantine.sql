-- The lines of the catalogue of the store that are no games.
SELECT 'games' AS file, line, CAST(NULL AS INTEGER) AS item, reason, text
FROM read_games
WHERE reason IS NOT NULL
