-- Interactions long enough to learn from; of those without a playtime, all. Users and items also get numbers: the rounds of the k-core compare
-- them often, and numbers are compared faster than texts.
WITH played AS (
    SELECT user_id, item_id, position, playtime, timestamp
    FROM interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
),
users AS (
    SELECT user_id, row_number() OVER (ORDER BY user_id) AS user_number
    FROM (SELECT DISTINCT user_id FROM played) AS distinct_users
),
items AS (
    SELECT item_id, row_number() OVER (ORDER BY item_id) AS item_number
    FROM (SELECT DISTINCT item_id FROM played) AS distinct_items
)
SELECT
    played.user_id,
    played.item_id,
    played.position,
    played.playtime,
    played.timestamp,
    CAST(users.user_number AS INTEGER) AS user_number,
    CAST(items.item_number AS INTEGER) AS item_number
FROM played
JOIN users ON users.user_id = played.user_id
JOIN items ON items.item_id = played.item_id
