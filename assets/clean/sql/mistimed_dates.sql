-- The plays whose dates stand for none, where most are of our time.
SELECT
    file,
    line,
    CASE
        WHEN unit = 'nothing' THEN 'a date such as 1970-01-01 or 9999-12-31 among others: is it a missing one?'
        ELSE 'a date before 1973 or after 2286 where most are between'
    END AS reason,
    user_id || ',' || item_id || ',' || CAST(DATE '1970-01-01' + day AS VARCHAR) AS text
FROM measured_dates
WHERE unit <> 'microseconds'
