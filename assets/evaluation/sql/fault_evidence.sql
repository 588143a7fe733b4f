-- Models of the leaderboard or of the ranks that are named more than once, have not one rank for each test target,
-- or stand in one of the two tables alone.
SELECT
    coalesce(listed.model, ranked.model) AS model,
    listed.times,
    listed.users,
    ranked.ranks,
    ranked.different,
    (SELECT count(*) FROM test_targets) AS targets
FROM (
    SELECT model, count(*) AS times, max(users) AS users
    FROM leaderboard
    GROUP BY model
) AS listed
FULL OUTER JOIN (
    SELECT model, count(*) AS ranks, count(DISTINCT user_id) AS different
    FROM test_ranks
    GROUP BY model
) AS ranked ON ranked.model = listed.model
WHERE listed.model IS NULL
    OR ranked.model IS NULL
    OR listed.times <> 1
    OR ranked.ranks <> listed.users
    OR ranked.different <> listed.users
    OR listed.users <> (SELECT count(*) FROM test_targets)
ORDER BY 1
