-- Interactions long enough to learn from; of those without a playtime, all. Users and items are numbers: the rounds of
-- the k-core compare them often, numbers are compared faster than texts, and take a third of the memory.
SELECT
    users.user_number,
    items.item_number,
    interactions.position,
    interactions.playtime,
    interactions.timestamp
FROM interactions
JOIN candidate_users AS users ON users.user_id = interactions.user_id
JOIN candidate_items AS items ON items.item_id = interactions.item_id
WHERE interactions.playtime > $min_playtime OR interactions.playtime IS NULL
