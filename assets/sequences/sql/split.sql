-- How the sequences are split and why, and how large the parts are. Users with a test target and no play that is
-- trained on are unseen in training; a first play after the test begins has nothing before it. What is said of repeats
-- is found beforehand, over all of them.
SELECT
    CAST($name AS VARCHAR) AS name,
    CAST($validation_from AS BIGINT) AS validation_from,
    CAST($test_from AS BIGINT) AS test_from,
    CAST(coalesce(sum(train), 0) AS BIGINT) AS train,
    CAST(coalesce(sum(validation), 0) AS BIGINT) AS validation,
    CAST(coalesce(sum(test), 0) AS BIGINT) AS test,
    CAST(coalesce(sum(context), 0) AS BIGINT) AS context,
    CAST(coalesce(sum(CASE WHEN train = 0 AND test > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS unseen_in_training,
    CAST($repeated_share AS DOUBLE) AS repeated_share,
    CAST($exclude_seen AS BOOLEAN) AS exclude_seen,
    CAST(coalesce(sum(CASE WHEN test > 0 THEN 1 ELSE 0 END), 0) AS BIGINT) AS test_users,
    CAST(coalesce(sum(first_plays), 0) AS BIGINT) AS first_plays,
    CAST($reason AS VARCHAR) AS reason
FROM (
    SELECT
        user_id,
        sum(CASE WHEN split = 'train' THEN 1 ELSE 0 END) AS train,
        sum(CASE WHEN split = 'validation' THEN 1 ELSE 0 END) AS validation,
        sum(CASE WHEN split = 'test' THEN 1 ELSE 0 END) AS test,
        sum(CASE WHEN split = 'context' THEN 1 ELSE 0 END) AS context,
        sum(CASE WHEN split = 'context' AND position = 0 AND timestamp >= CAST($test_from AS BIGINT) THEN 1 ELSE 0 END) AS first_plays
    FROM splits
    GROUP BY user_id
) AS users
