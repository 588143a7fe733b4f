-- Plays that a temporal split has put on the wrong side of a cut, and targets that are not the first play after it.
SELECT core.user_id, core.position, made.split, core.timestamp
FROM core_interactions AS core
JOIN sequences AS made ON made.user_id = core.user_id AND made.position = core.position
CROSS JOIN split AS cut
LEFT JOIN (
    SELECT
        plays.user_id,
        min(CASE WHEN plays.timestamp >= cuts.validation_from THEN plays.position END) AS after_first,
        min(CASE WHEN plays.timestamp >= cuts.test_from THEN plays.position END) AS after_second
    FROM core_interactions AS plays
    CROSS JOIN split AS cuts
    GROUP BY plays.user_id
) AS targets ON targets.user_id = core.user_id
WHERE cut.name <> 'leave-one-out'
    AND made.split <> CASE
        WHEN core.timestamp < cut.validation_from THEN 'train'
        WHEN core.position = 0 THEN 'context'
        WHEN core.position = targets.after_second THEN 'test'
        WHEN core.position = targets.after_first AND core.timestamp < cut.test_from THEN 'validation'
        ELSE 'context'
    END
ORDER BY core.user_id, core.position
