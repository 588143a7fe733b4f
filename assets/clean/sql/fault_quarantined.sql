-- Raw files of which too large a share of the lines or of the items was quarantined, or all of
-- them where nothing was accepted.
SELECT file, lines_read, lines_read - lines_accepted - lines_forgotten AS lines_left_out,
    items_read, items_read - items_accepted - items_forgotten AS items_left_out
FROM raw_counts
WHERE (SELECT count(*) FROM interactions) = 0
    OR lines_read - lines_accepted - lines_forgotten > $max_quarantined_share * lines_read
    OR items_read - items_accepted - items_forgotten > $max_quarantined_share * items_read
ORDER BY file
