-- The plays whose times are in one unit, in another where they are no whole numbers of it.
SELECT
    file,
    line,
    user_id,
    item_id,
    time * $scale + CAST(floor(parts / $share) AS BIGINT) AS time
FROM measured_plays
WHERE unit = $unit OR (unit IN ('nothing', 'unknown') AND $zeros)
