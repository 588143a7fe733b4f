-- The candidates that no round of the k-core has dropped so far.
SELECT *
FROM candidates
WHERE user_number NOT IN (SELECT user_number FROM dropped_users)
    AND item_number NOT IN (SELECT item_number FROM dropped_items)
