-- The first play of each user from a time on; a user's very first play is none, for nothing comes before it.
SELECT made.user_index, min(made.position) AS position
FROM sequences AS made
JOIN core_interactions AS core ON core.user_id = made.user_id AND core.position = made.position
WHERE core.timestamp >= $since AND made.position > 0
GROUP BY made.user_index
ORDER BY made.user_index
