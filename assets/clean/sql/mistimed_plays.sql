-- The plays whose times are in another unit than most, or stand for none.
SELECT
    file,
    line,
    CASE
        WHEN unit = 'nothing' THEN 'a timestamp of 0 or -1 among times since 1970: is it a missing one?'
        ELSE 'a timestamp in ' || unit || ' where most are in ' || $unit || ': give all in one unit'
    END AS reason,
    user_id || ',' || item_id || ',' || CAST(time AS VARCHAR) AS text
FROM measured_plays
WHERE NOT (unit IN ($unit, 'unknown') OR (unit = 'nothing' AND $zeros))
