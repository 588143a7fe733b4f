-- How many values of each typed column of the file of items could not be read and are left empty, and the first.
SELECT $file AS file, name, count(*) AS times, min(line) AS first_line, arg_min(value, line) AS first_value
FROM (
    SELECT 'price' AS name, line, unread_price AS value FROM all_items WHERE unread_price IS NOT NULL
    UNION ALL
    SELECT 'release_date' AS name, line, unread_release_date AS value
    FROM all_items
    WHERE unread_release_date IS NOT NULL
    UNION ALL
    SELECT 'early_access' AS name, line, unread_early_access AS value
    FROM all_items
    WHERE unread_early_access IS NOT NULL
) AS unread
GROUP BY name
ORDER BY name
