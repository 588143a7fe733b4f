-- Files whose lines are not all accounted for; and those with more lines in quoted cells than there can be.
SELECT raw_lines.file, lines, header, blank, rows, quoted, most_quoted, lines_read
FROM raw_lines
JOIN raw_counts ON raw_counts.file = raw_lines.file
WHERE lines <> header + blank + rows + quoted
    OR quoted < 0
    OR quoted > most_quoted
    OR rows <> lines_read
ORDER BY raw_lines.file
