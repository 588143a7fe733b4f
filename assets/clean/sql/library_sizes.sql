-- Users by the size of their library, in classes of 1, 2 to 3, 4 to 7, ... games.
SELECT power(2, floor(log2(games))) AS at_least, count(*) AS users
FROM (
    SELECT user_id, count(*) AS games
    FROM interactions
    GROUP BY user_id
) AS libraries
GROUP BY power(2, floor(log2(games)))
ORDER BY at_least
