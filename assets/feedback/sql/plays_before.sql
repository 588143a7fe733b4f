-- The plays before those that are held back: a beginning of each user's, so that their positions stay dense.
SELECT plays.user_id, plays.item_id, plays.position, plays.playtime, plays.timestamp
FROM united_plays AS plays
LEFT JOIN held_from ON held_from.user_id = plays.user_id
WHERE held_from.start IS NULL OR plays.position < held_from.start
ORDER BY plays.user_id, plays.position
