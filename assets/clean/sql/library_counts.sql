-- What the libraries held, and what of it was accepted.
SELECT
    CAST(coalesce(sum(lines_read), 0) AS BIGINT) AS lines_read,
    CAST(coalesce(sum(items_read), 0) AS BIGINT) AS items_read,
    CAST(coalesce(sum(lines_accepted), 0) AS BIGINT) AS lines_accepted,
    count(item_id) AS items_accepted,
    CAST(coalesce(sum(lines_forgotten), 0) AS BIGINT) AS lines_forgotten,
    CAST(coalesce(sum(items_forgotten), 0) AS BIGINT) AS items_forgotten
FROM read_libraries
