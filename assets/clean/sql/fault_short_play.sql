-- Interactions that are too short, or whose playtime or timestamp is not the one that was read.
SELECT core.user_id, core.item_id, core.playtime, source.playtime AS read
FROM core_interactions AS core
LEFT JOIN all_interactions AS source
    ON source.user_id = core.user_id
    AND source.item_id = core.item_id
    AND source.timestamp IS NOT DISTINCT FROM core.timestamp
WHERE core.playtime <= $min_playtime
    OR source.user_id IS NULL
    OR core.playtime IS DISTINCT FROM source.playtime
ORDER BY core.user_id, core.item_id
