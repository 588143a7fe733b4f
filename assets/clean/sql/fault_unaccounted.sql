-- Raw files of which accepted, quarantined and forgotten do not add up to what was read; and tables that do not hold
-- all that was accepted.
SELECT
    raw_counts.file,
    raw_counts.lines_read,
    raw_counts.lines_accepted,
    coalesce(left_out.lines, 0) AS lines_quarantined,
    raw_counts.lines_forgotten,
    raw_counts.items_read,
    raw_counts.items_accepted,
    coalesce(left_out.items, 0) AS items_quarantined,
    raw_counts.items_forgotten
FROM raw_counts
LEFT JOIN (
    SELECT
        file,
        sum(CASE WHEN item IS NULL THEN 1 ELSE 0 END) AS lines,
        sum(CASE WHEN item IS NULL THEN 0 ELSE 1 END) AS items
    FROM quarantine
    GROUP BY file
) AS left_out ON left_out.file = raw_counts.file
WHERE raw_counts.lines_accepted + coalesce(left_out.lines, 0) + raw_counts.lines_forgotten
        <> raw_counts.lines_read
    OR raw_counts.items_accepted + coalesce(left_out.items, 0) + raw_counts.items_forgotten
        <> raw_counts.items_read
UNION ALL
SELECT
    made.name AS file,
    0 AS lines_read,
    0 AS lines_accepted,
    0 AS lines_quarantined,
    0 AS lines_forgotten,
    coalesce(accepted.distinct_items, 0) AS items_read,
    made.made AS items_accepted,
    0 AS items_quarantined,
    0 AS items_forgotten
FROM (
    SELECT 'interactions' AS name, count(*) AS made FROM interactions
    UNION ALL
    SELECT 'catalogue' AS name, count(*) AS made FROM catalogue
) AS made
LEFT JOIN (
    SELECT
        CASE WHEN split_part(file, '/', 1) IN ('games', 'items') THEN 'catalogue' ELSE 'interactions' END AS name,
        sum(items_accepted - repeats) AS distinct_items
    FROM raw_counts
    GROUP BY CASE WHEN split_part(file, '/', 1) IN ('games', 'items') THEN 'catalogue' ELSE 'interactions' END
) AS accepted ON accepted.name = made.name
WHERE made.made <> coalesce(accepted.distinct_items, 0)
ORDER BY file
