-- The plays that are held back, in the order of each user.
SELECT plays.user_id, plays.item_id, plays.position, plays.playtime, plays.timestamp
FROM united_plays AS plays
JOIN held_from ON held_from.user_id = plays.user_id
WHERE plays.position >= held_from.start
ORDER BY plays.user_id, plays.position
