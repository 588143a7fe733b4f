-- Users whose held-out item is also in what comes before it: the answer stands in the question. Where repeats are
-- kept that may be.
SELECT held.user_id, held.split, held.item_index
FROM sequences AS held
JOIN sequences AS earlier
    ON earlier.user_index = held.user_index
    AND earlier.item_index = held.item_index
    AND earlier.position < held.position
WHERE held.split <> 'train' AND $repeats <> 'keep'
ORDER BY held.user_id, held.split
