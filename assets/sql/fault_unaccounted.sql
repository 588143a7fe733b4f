-- Raw files of which accepted and quarantined do not add up to what was read, or whose accepted items are not
-- all in the interactions.
SELECT
    raw_counts.file,
    raw_counts.lines_read,
    raw_counts.lines_accepted,
    coalesce(left_out.lines, 0) AS lines_quarantined,
    raw_counts.items_read,
    raw_counts.items_accepted,
    coalesce(left_out.items, 0) AS items_quarantined,
    raw_counts.repeats,
    made.made
FROM raw_counts
JOIN (
    SELECT 'libraries' AS file, count(*) AS made FROM interactions
    UNION ALL
    SELECT 'games' AS file, count(*) AS made FROM catalogue
) AS made ON made.file = raw_counts.file
LEFT JOIN (
    SELECT
        file,
        sum(CASE WHEN item IS NULL THEN 1 ELSE 0 END) AS lines,
        sum(CASE WHEN item IS NULL THEN 0 ELSE 1 END) AS items
    FROM quarantine
    GROUP BY file
) AS left_out ON left_out.file = raw_counts.file
WHERE raw_counts.lines_accepted + coalesce(left_out.lines, 0) <> raw_counts.lines_read
    OR raw_counts.items_accepted + coalesce(left_out.items, 0) <> raw_counts.items_read
    OR raw_counts.items_accepted - raw_counts.repeats <> made.made
ORDER BY raw_counts.file
