-- Ids of users and items that are most likely the same: they differ in leading zeros, in .0 at their end, in how
-- Unicode writes an accent, in blanks within them, or in capital letters of a mail address or a UUID.
SELECT what, min(id) AS one, max(id) AS other, count(*) AS ids
FROM (
    SELECT
        what,
        id,
        CASE
            WHEN regexp_matches(id, '^[{]?[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}[}]?\z')
            THEN lower(regexp_replace(id, '[{}-]', '', 'g'))
            WHEN regexp_matches(id, '^[^@ ]+@[^@ ]+[.][^@ ]+\z')
            THEN lower(id)
            ELSE regexp_replace(
                regexp_replace(nfc_normalize(id), '[\s\xA0]+', ' ', 'g'), '^0*([0-9]+)([.]0*)?$', '\1'
            )
        END AS form
    FROM (
        SELECT 'user' AS what, user_id AS id FROM interactions
        UNION
        SELECT 'item' AS what, item_id AS id FROM interactions
        UNION
        SELECT 'item' AS what, item_id AS id FROM catalogue
    ) AS ids
) AS formed
GROUP BY what, form
HAVING count(*) > 1
ORDER BY what DESC, one
