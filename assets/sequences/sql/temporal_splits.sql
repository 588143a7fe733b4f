-- Global temporal split. Before the first cut: to train on. From there to the second cut: the first play of each
-- user who has played before is the validation target. From the second cut on: the first play of each user who has
-- played before is the test target. Every other play is context: it may stand in a history, and is never trained on.
SELECT
    user_id,
    item_id,
    position,
    CASE
        WHEN part = 0 THEN 'train'
        WHEN position = 0 OR place > 1 THEN 'context'
        WHEN part = 1 THEN 'validation'
        ELSE 'test'
    END AS split,
    timestamp
FROM (
    SELECT
        user_id,
        item_id,
        position,
        part,
        timestamp,
        row_number() OVER (PARTITION BY user_id, part ORDER BY position) AS place
    FROM (
        SELECT
            user_id,
            item_id,
            position,
            timestamp,
            CASE
                WHEN timestamp < $validation_from THEN 0
                WHEN timestamp < $test_from THEN 1
                ELSE 2
            END AS part
        FROM core_interactions
    ) AS cut
) AS placed
