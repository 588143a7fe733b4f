-- The position from which on the plays of a user are held back: with a time that of the first play from then on, else
-- that of the last play that is long enough to learn from.
SELECT user_id, start
FROM (
    SELECT
        user_id,
        CASE
            WHEN CAST($time AS BIGINT) IS NULL
                THEN max(CASE WHEN playtime > $min_playtime OR playtime IS NULL THEN position END)
            ELSE min(CASE WHEN timestamp >= CAST($time AS BIGINT) THEN position END)
        END AS start
    FROM united_plays
    GROUP BY user_id
) AS found
WHERE start IS NOT NULL
