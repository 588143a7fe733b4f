-- By file: how often the next play of a user is later, earlier, or at the same time, in the order of the first lines.
SELECT
    file,
    sum(CASE WHEN time > before THEN 1 ELSE 0 END) AS later,
    sum(CASE WHEN time < before THEN 1 ELSE 0 END) AS earlier,
    sum(CASE WHEN time = before THEN 1 ELSE 0 END) AS same
FROM (
    SELECT file, time, lag(time) OVER (PARTITION BY file, user_id ORDER BY line) AS before
    FROM timed_plays
    WHERE line <= $lines
) AS paired
GROUP BY file
ORDER BY file
