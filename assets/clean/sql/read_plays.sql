-- Rows as read, each timestamp also as a number: a whole number as it stands, a date or a time in microseconds
-- since 1970. What has no offset is in UTC. A number such as 1500000000.0, as pandas writes it, is whole.
SELECT
    file,
    line,
    user_id,
    item_id,
    reason,
    text,
    timestamp,
    CASE
        WHEN whole IS NOT NULL THEN 'number'
        WHEN moment IS NOT NULL THEN 'date'
    END AS form,
    coalesce(whole, moment) AS time
FROM (
    SELECT
        file,
        line,
        user_id,
        item_id,
        reason,
        text,
        timestamp,
        CASE
            WHEN regexp_matches(timestamp, '^[+-]?[0-9]{1,18}([.]0*)?\z')
            THEN TRY_CAST(split_part(timestamp, '.', 1) AS BIGINT)
        END AS whole,
        CASE
            WHEN regexp_matches(timestamp, '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?\z')
            THEN epoch_us(TRY_CAST(timestamp AS TIMESTAMPTZ))
        END AS moment
    FROM (
        SELECT file, line, user_id, item_id, reason, text, trim(timestamp) AS timestamp
        FROM batch
    ) AS trimmed
) AS told
