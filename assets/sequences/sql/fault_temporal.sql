-- Plays that a temporal split has put on the wrong side of a cut, or that are no target though something comes before
-- them.
SELECT core.user_id, core.position, made.split, core.timestamp
FROM core_interactions AS core
JOIN sequences AS made ON made.user_id = core.user_id AND made.position = core.position
CROSS JOIN split AS cut
WHERE cut.name <> 'leave-one-out'
    AND made.split <> CASE
        WHEN core.timestamp < cut.validation_from THEN 'train'
        WHEN core.position = 0 THEN 'context'
        WHEN core.timestamp < cut.test_from THEN 'validation'
        ELSE 'test'
    END
ORDER BY core.user_id, core.position
