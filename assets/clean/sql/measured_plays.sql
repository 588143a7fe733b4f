-- Plays with the unit of their time, told from its size: seconds, milliseconds, microseconds and nanoseconds of a time
-- between 1973 and 2286; 'nothing' is what programs write where there is no time.
SELECT
    file,
    line,
    user_id,
    item_id,
    time,
    parts,
    CASE
        WHEN time BETWEEN -1 AND 0 THEN 'nothing'
        WHEN time BETWEEN 100000000 AND 9999999999 THEN 'seconds'
        WHEN time BETWEEN 100000000000 AND 9999999999999 THEN 'milliseconds'
        WHEN time BETWEEN 100000000000000 AND 9999999999999999 THEN 'microseconds'
        WHEN time >= 100000000000000000 THEN 'nanoseconds'
        WHEN time BETWEEN -100000000000 AND 100000000000 THEN 'unknown'
        ELSE 'another unit'
    END AS unit
FROM plays
