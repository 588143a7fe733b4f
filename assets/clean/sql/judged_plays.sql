-- Rows with the reason for which each is left out, or none.
SELECT
    file,
    line,
    user_id,
    item_id,
    time,
    parts,
    zoned,
    text,
    CASE
        WHEN reason IS NOT NULL THEN reason
        WHEN coalesce(user_id, '') = '' THEN 'no user_id'
        WHEN coalesce(item_id, '') = '' THEN 'no item_id'
        WHEN coalesce(timestamp, '') = '' THEN 'no timestamp'
        WHEN form IS NULL THEN $unread_time
        WHEN form <> $form THEN 'a timestamp that is no ' || $form || ', as the first one is'
    END AS refused
FROM read_plays
