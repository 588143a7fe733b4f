-- The newest titles of a few users of middling history length, and the champion's first titles for each of them.
WITH lengths AS (
    SELECT user_id, count(*) AS length FROM sequences GROUP BY user_id
),
chosen AS (
    SELECT user_id
    FROM lengths
    WHERE length BETWEEN (SELECT quantile_disc(length, 0.25) FROM lengths) AND (SELECT quantile_disc(length, 0.75) FROM lengths)
    ORDER BY md5(user_id)
    LIMIT $n
),
newest AS (
    SELECT s.user_id, i.title, s.position, row_number() OVER (PARTITION BY s.user_id ORDER BY s.position DESC) AS age
    FROM sequences AS s
    JOIN chosen USING (user_id)
    JOIN items AS i USING (item_index)
),
histories AS (
    SELECT user_id, list(title ORDER BY position) AS titles FROM newest WHERE age <= $shown GROUP BY user_id
),
answers AS (
    SELECT b.user_id, list(i.title ORDER BY b.rank) AS titles
    FROM batch_recommendations AS b
    JOIN chosen USING (user_id)
    JOIN items AS i USING (item_id)
    WHERE b.rank <= $shown
    GROUP BY b.user_id
)
SELECT h.titles, a.titles
FROM histories AS h
JOIN answers AS a USING (user_id)
ORDER BY md5(h.user_id)
