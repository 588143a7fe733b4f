-- The last play of each user that is known now.
SELECT user_id, item_id, timestamp
FROM (
    SELECT user_id, item_id, timestamp, row_number() OVER (PARTITION BY user_id ORDER BY position DESC) AS place
    FROM all_interactions
) AS numbered
WHERE place = 1
ORDER BY user_id
