-- By kind of raw files: how much they hold, how much of it was left out, and how often something came again.
SELECT
    split_part(file, '/', 1) AS kind,
    sum(lines_read) AS lines_read,
    sum(lines_read - lines_accepted - lines_forgotten) AS lines_left_out,
    sum(items_read) AS items_read,
    sum(items_read - items_accepted - items_forgotten) AS items_left_out,
    sum(repeats) AS repeats
FROM raw_counts
GROUP BY split_part(file, '/', 1)
ORDER BY kind
