-- The place of each user's first play behind the one that was the last when the last night measured, and whether the
-- user was known then: of those who were not it is the first play of all. A user whose last play is gone is left out.
SELECT plays.user_id, min(plays.position) AS place, bool_or(until.user_id IS NOT NULL) AS known
FROM all_interactions AS plays
LEFT JOIN played_until AS until ON until.user_id = plays.user_id
LEFT JOIN (
    SELECT known.user_id, max(known.position) AS position
    FROM all_interactions AS known
    JOIN played_until
        ON played_until.user_id = known.user_id
        AND played_until.item_id = known.item_id
        AND played_until.timestamp IS NOT DISTINCT FROM known.timestamp
    GROUP BY known.user_id
) AS last ON last.user_id = plays.user_id
WHERE (plays.playtime > $min_playtime OR plays.playtime IS NULL)
    AND (until.user_id IS NULL OR plays.position > last.position)
GROUP BY plays.user_id
