-- The rows of a file of items that name an item, its other columns typed; what could not be read is told beside them.
SELECT
    line,
    item_id,
    CASE WHEN title <> '' THEN title END AS title,
    CASE WHEN coalesce(genres, '') <> '' THEN string_split(genres, '|') ELSE CAST([] AS VARCHAR[]) END AS genres,
    CASE WHEN coalesce(tags, '') <> '' THEN string_split(tags, '|') ELSE CAST([] AS VARCHAR[]) END AS tags,
    CASE
        WHEN regexp_matches(price, '^ *[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)? *\z')
            AND TRY_CAST(price AS DOUBLE) BETWEEN 0 AND 1e6
        THEN TRY_CAST(price AS DOUBLE)
    END AS price,
    CASE WHEN release_date <> '' THEN release_date END AS release_date,
    CASE WHEN early_access <> '' THEN lower(early_access) IN ('true', '1') END AS early_access,
    attributes,
    unread_price,
    unread_release_date,
    unread_early_access
FROM batch
WHERE reason IS NULL AND item_id <> ''
