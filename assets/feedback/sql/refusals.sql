-- What users refused and have not played since: what was known and what the store has, without forgotten users.
SELECT newest.user_id, newest.item_id, newest.told_at
FROM (
    SELECT user_id, item_id, max(told_at) AS told_at
    FROM (
        SELECT user_id, item_id, told_at FROM refusals_before
        UNION ALL
        SELECT user_id, item_id, told_at FROM told
    ) AS known
    GROUP BY user_id, item_id
) AS newest
LEFT JOIN (
    SELECT user_id, item_id, max(played_at) AS played_at FROM events GROUP BY user_id, item_id
) AS played ON played.user_id = newest.user_id AND played.item_id = newest.item_id
WHERE coalesce(played.played_at <= newest.told_at, true)
    AND newest.user_id NOT IN (SELECT user_id FROM forgotten)
ORDER BY newest.user_id, newest.item_id
