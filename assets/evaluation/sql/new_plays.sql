-- Each user's first new play, with the items that came before it, oldest first, whether the user was known before, and
-- when it was; of more users than $most those whose ids' hashes come first.
SELECT
    first.user_id,
    coalesce(
        array_agg(plays.item_id ORDER BY plays.position) FILTER (WHERE plays.position < first.place), []
    ) AS history,
    max(CASE WHEN plays.position = first.place THEN plays.item_id END) AS item_id,
    first.known,
    max(CASE WHEN plays.position = first.place THEN plays.timestamp END) AS timestamp
FROM first_new_plays AS first
JOIN all_interactions AS plays ON plays.user_id = first.user_id AND plays.position <= first.place
WHERE plays.playtime > $min_playtime OR plays.playtime IS NULL
GROUP BY first.user_id, first.known
ORDER BY md5(first.user_id)
LIMIT $most
