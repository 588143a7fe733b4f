-- Rows as read, each timestamp also as a number: a whole number as it stands, with what is behind the point in
-- millionths, a date or a time in microseconds since 1970. What has no offset is in UTC; `zoned` says whether a time
-- of day has one. A number such as
-- 1500000000.0, as pandas writes it, is whole; one that is not has to be a time since 1970, told from its size.
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
    coalesce(whole, moment) AS time,
    parts,
    CASE
        WHEN whole IS NULL AND moment IS NOT NULL AND length(timestamp) > 10
        THEN regexp_matches(substr(timestamp, 17), '[Z+-]')
    END AS zoned
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
            WHEN parts = 0
                OR number BETWEEN 100000000 AND 9999999999
                OR number BETWEEN 100000000000 AND 9999999999999
                OR number BETWEEN 100000000000000 AND 9999999999999999
                OR number >= 100000000000000000
            THEN number
        END AS whole,
        CASE
            WHEN regexp_matches(timestamp, '^[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?\z')
            THEN epoch_us(TRY_CAST(timestamp AS TIMESTAMPTZ))
        END AS moment,
        parts
    FROM (
        SELECT
            file,
            line,
            user_id,
            item_id,
            reason,
            text,
            timestamp,
            number,
            CASE
                WHEN number IS NULL OR decimals IN ('', '0') THEN 0
                ELSE CAST(left(rpad(decimals, 6, '0'), 6) AS INTEGER)
            END AS parts
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
                    WHEN regexp_matches(timestamp, '^[+-]?[0-9]{1,19}([.][0-9]*)?\z')
                    THEN TRY_CAST(split_part(timestamp, '.', 1) AS BIGINT)
                END AS number,
                split_part(timestamp, '.', 2) AS decimals
            FROM (
                SELECT file, line, user_id, item_id, reason, text, trim(timestamp) AS timestamp
                FROM batch
            ) AS trimmed
        ) AS split
    ) AS counted
) AS told
