-- Leave-one-out: users whose test item is not their last, whose validation item is not the one before, or who have another
-- number of them than one each (none with fewer than three items).
SELECT
    user_id,
    count(*) AS items,
    sum(CASE WHEN split = 'validation' THEN 1 ELSE 0 END) AS validations,
    sum(CASE WHEN split = 'test' THEN 1 ELSE 0 END) AS tests
FROM sequences
GROUP BY user_id
HAVING (SELECT max(name) FROM split) = 'leave-one-out' AND (
    sum(CASE WHEN split = 'validation' THEN 1 ELSE 0 END) <> CASE WHEN count(*) < 3 THEN 0 ELSE 1 END
    OR sum(CASE WHEN split = 'test' THEN 1 ELSE 0 END) <> CASE WHEN count(*) < 3 THEN 0 ELSE 1 END
    OR max(CASE WHEN split = 'test' THEN position END) <> max(position)
    OR max(CASE WHEN split = 'validation' THEN position END) <> max(position) - 1
)
ORDER BY user_id
