-- Why rows of a kind of raw files were left out: how often, and where first.
SELECT reason, times, file, line, text
FROM (
    SELECT
        reason,
        file,
        line,
        text,
        count(*) OVER (PARTITION BY reason) AS times,
        row_number() OVER (PARTITION BY reason ORDER BY file, line) AS place
    FROM quarantine
    WHERE split_part(file, '/', 1) = $kind
) AS numbered
WHERE place = 1
ORDER BY times DESC, reason
