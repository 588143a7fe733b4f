-- The plays from a time on; a user's very first play is none, for nothing comes before it.
SELECT made.user_index, made.position
FROM sequences AS made
JOIN core_interactions AS core ON core.user_id = made.user_id AND core.position = made.position
WHERE core.timestamp >= $since AND made.position > 0
ORDER BY made.user_index, made.position
