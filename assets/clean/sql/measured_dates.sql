-- Plays with dates and what sort each is: 'nothing' is a day that programs write where there is no time, such as
-- 1970-01-01, 1900-01-01 and 9999-12-31; 'unknown' is another before 1973 or after 2286. `day` counts from 1970-01-01.
SELECT
    file,
    line,
    user_id,
    item_id,
    time,
    day,
    CASE
        WHEN day IN (-719162, -134774, -79257, -25569, -25568, -25567, -24107, -1, 0, 2932896) THEN 'nothing'
        WHEN time BETWEEN 100000000000000 AND 9999999999999999 THEN 'microseconds'
        ELSE 'unknown'
    END AS unit
FROM (
    SELECT
        file,
        line,
        user_id,
        item_id,
        time,
        CAST((time - (time % 86400000000 + 86400000000) % 86400000000) / 86400000000.0 AS INTEGER) AS day
    FROM plays
) AS numbered
