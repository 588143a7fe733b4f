-- Leave-one-out: a user's last item is for the test, the one before for validation, the rest to train on;
-- a user with fewer than three items is trained on only.
SELECT
    core.user_id,
    core.item_id,
    core.position,
    CASE
        WHEN lengths.length < 3 OR core.position < lengths.length - 2 THEN 'train'
        WHEN core.position = lengths.length - 2 THEN 'validation'
        ELSE 'test'
    END AS split,
    core.timestamp
FROM core_interactions AS core
JOIN (
    SELECT user_id, count(*) AS length
    FROM core_interactions
    GROUP BY user_id
) AS lengths ON lengths.user_id = core.user_id
