-- The plays whose times are in another unit than most, or stand for none.
SELECT
    file,
    line,
    CASE
        WHEN unit = 'nothing' THEN 'a timestamp of 0 or -1 among times since 1970: is it a missing one?'
        WHEN unit = 'unknown' THEN 'a timestamp that is no time since 1973 where most are ' || $unit || ' since 1970'
        ELSE 'a timestamp in ' || unit || ' where most are in ' || $unit || ': give all in one unit'
    END AS reason,
    user_id || ',' || item_id || ',' || CAST(time AS VARCHAR) AS text
FROM measured_plays
WHERE NOT (unit = $unit OR (unit IN ('nothing', 'unknown') AND $zeros))
