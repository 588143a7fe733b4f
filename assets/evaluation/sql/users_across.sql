-- How many users played both before a time and from then on.
SELECT count(*) AS users
FROM (
    SELECT user_id
    FROM all_interactions
    WHERE playtime > $min_playtime OR playtime IS NULL
    GROUP BY user_id
    HAVING min(timestamp) < $time AND max(timestamp) >= $time
) AS across
