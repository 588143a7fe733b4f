-- How much was quarantined for which reason.
SELECT file, reason, count(*) AS times, min(line) AS first_line
FROM quarantine
GROUP BY file, reason
ORDER BY times DESC, file, reason
