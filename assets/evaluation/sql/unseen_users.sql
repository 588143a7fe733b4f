-- NDCG@10 on test of each model: once for users that training has seen, once for those that it has not.
SELECT
    ranks.model,
    CASE WHEN trained.user_id IS NULL THEN 'unseen in training' ELSE 'seen in training' END AS users_are,
    count(*) AS users,
    round(avg(CASE WHEN ranks.rank <= 10 THEN 1 / log2(1 + ranks.rank) ELSE 0 END), 4) AS ndcg_at_10
FROM test_ranks AS ranks
LEFT JOIN (
    SELECT DISTINCT user_id FROM sequences WHERE split = 'train'
) AS trained ON trained.user_id = ranks.user_id
GROUP BY ranks.model, CASE WHEN trained.user_id IS NULL THEN 'unseen in training' ELSE 'seen in training' END
ORDER BY users_are, ndcg_at_10 DESC, ranks.model
