-- What the libraries held, and what of it was accepted.
SELECT
    CAST(coalesce(sum(lines_read), 0) AS BIGINT) AS lines_read,
    CAST(coalesce(sum(items_read), 0) AS BIGINT) AS items_read,
    CAST(coalesce(sum(lines_accepted), 0) AS BIGINT) AS lines_accepted,
    count(item_id) AS items_accepted
FROM read_libraries
