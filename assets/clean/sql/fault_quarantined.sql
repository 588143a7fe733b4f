-- Kinds of raw files (what comes before the slash in a role) of which too large a share of the lines or of the items
-- was quarantined, or all of them where nothing was accepted.
SELECT file, files, lines_read, lines_left_out, items_read, items_left_out
FROM (
    SELECT
        split_part(file, '/', 1) AS file,
        count(*) AS files,
        sum(lines_read) AS lines_read,
        sum(lines_read - lines_accepted - lines_forgotten) AS lines_left_out,
        sum(items_read) AS items_read,
        sum(items_read - items_accepted - items_forgotten) AS items_left_out
    FROM raw_counts
    GROUP BY split_part(file, '/', 1)
) AS kinds
WHERE (SELECT count(*) FROM interactions) = 0
    OR lines_left_out > $max_quarantined_share * lines_read
    OR items_left_out > $max_quarantined_share * items_read
ORDER BY file
