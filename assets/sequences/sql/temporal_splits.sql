-- Global temporal split. Before the first cut: to train on. From there to the second cut each play is a validation
-- target, and from the second cut on each play is a test target, given what its user played before it. A user's first
-- play of all has nothing before it: it is context, which may stand in a history and is never trained on.
SELECT
    user_id,
    item_id,
    position,
    CASE
        WHEN timestamp < $validation_from THEN 'train'
        WHEN position = 0 THEN 'context'
        WHEN timestamp < $test_from THEN 'validation'
        ELSE 'test'
    END AS split,
    timestamp
FROM core_interactions
