-- Interactions that are too short, or whose playtime or timestamp is not the one that was read.
SELECT core.user_id, core.item_id, core.playtime, interactions.playtime AS read
FROM core_interactions AS core
LEFT JOIN interactions
    ON interactions.user_id = core.user_id
    AND interactions.item_id = core.item_id
    AND interactions.timestamp IS NOT DISTINCT FROM core.timestamp
WHERE core.playtime <= $min_playtime
    OR interactions.user_id IS NULL
    OR core.playtime IS DISTINCT FROM interactions.playtime
ORDER BY core.user_id, core.item_id
