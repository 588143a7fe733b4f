-- Where source and events do not add up to what is learned from and what is held back: plays that are in one and not in
-- the other, each user and game counted once unless repeats are kept, what was refused not at all, and events that are both taken in and left out.
SELECT wanted.user_id, wanted.item_id, wanted.times AS wanted, made.times AS made
FROM (
    SELECT user_id, item_id, CASE WHEN $repeats = 'keep' THEN count(*) ELSE 1 END AS times
    FROM (
        SELECT user_id, item_id FROM interactions
        UNION ALL
        SELECT user_id, item_id
        FROM events
        WHERE event_id NOT IN (SELECT event_id FROM event_quarantine)
    ) AS united
    WHERE NOT EXISTS (
        SELECT 1 FROM refusals WHERE refusals.user_id = united.user_id AND refusals.item_id = united.item_id
    )
    GROUP BY user_id, item_id
) AS wanted
FULL JOIN (
    SELECT user_id, item_id, count(*) AS times
    FROM (
        SELECT user_id, item_id FROM all_interactions
        UNION ALL
        SELECT user_id, item_id FROM held_back
    ) AS divided
    GROUP BY user_id, item_id
) AS made ON made.user_id = wanted.user_id AND made.item_id = wanted.item_id
WHERE wanted.times IS DISTINCT FROM made.times
ORDER BY wanted.user_id, wanted.item_id
