-- Raw files of which more than half of the lines were left out, with the reason of the first.
SELECT counted.file, counted.lines_read, counted.lines_left_out, first.line, first.reason, first.text
FROM (
    SELECT file, lines_read, lines_read - lines_accepted - lines_forgotten AS lines_left_out
    FROM raw_counts
) AS counted
JOIN (
    SELECT file, line, reason, text, row_number() OVER (PARTITION BY file ORDER BY line) AS place
    FROM quarantine
    WHERE item IS NULL
) AS first ON first.file = counted.file AND first.place = 1
WHERE 2 * counted.lines_left_out > counted.lines_read
ORDER BY counted.lines_left_out DESC, counted.file
