-- How many plays there are, how many of them are copies (of one user, item and time), of which item the first is, and
-- how many times are not at the beginning of a day.
SELECT
    sum(times) AS plays,
    sum(times - 1) AS copies,
    min(CASE WHEN times > 1 THEN item_id END) AS first,
    count(CASE WHEN timestamp % $day <> 0 THEN 1 END) AS of_a_day
FROM (
    SELECT user_id, item_id, timestamp, count(*) AS times
    FROM interactions
    WHERE timestamp IS NOT NULL
    GROUP BY user_id, item_id, timestamp
) AS counted
