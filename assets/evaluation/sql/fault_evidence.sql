-- Models of the leaderboard or of the ranks that are named more than once, have not one rank for each test target,
-- or stand in one of the two tables alone.
SELECT
    coalesce(listed.model, ranked.model) AS model,
    listed.times,
    listed.users,
    listed.plays,
    ranked.ranks,
    ranked.different,
    (SELECT count(*) FROM test_targets) AS targets
FROM (
    SELECT model, count(*) AS times, max(users) AS users, max(plays) AS plays
    FROM leaderboard
    GROUP BY model
) AS listed
FULL OUTER JOIN (
    SELECT model, CAST(sum(ranks) AS BIGINT) AS ranks, count(*) AS different, count(DISTINCT user_id) AS users
    FROM (
        SELECT model, user_id, position, count(*) AS ranks
        FROM test_ranks
        GROUP BY model, user_id, position
    ) AS plays
    GROUP BY model
) AS ranked ON ranked.model = listed.model
WHERE listed.model IS NULL
    OR ranked.model IS NULL
    OR listed.times <> 1
    OR ranked.ranks <> listed.plays
    OR ranked.different <> listed.plays
    OR ranked.users <> listed.users
    OR listed.plays <> (SELECT count(*) FROM test_targets)
ORDER BY 1
