-- How many plays are held back, and how many are left.
SELECT
    count(CASE WHEN plays.position >= held_from.start THEN 1 END) AS held,
    count(*) - count(CASE WHEN plays.position >= held_from.start THEN 1 END) AS kept
FROM united_plays AS plays
LEFT JOIN held_from ON held_from.user_id = plays.user_id
