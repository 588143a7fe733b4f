-- Ids of users and items that are most likely the same: they differ in leading zeros, in .0 at their end, or in how
-- Unicode writes an accent.
SELECT what, min(id) AS one, max(id) AS other, count(*) AS ids
FROM (
    SELECT
        'user' AS what,
        user_id AS id,
        regexp_replace(nfc_normalize(user_id), '^0*([0-9]+)([.]0*)?$', '\1') AS form
    FROM (SELECT DISTINCT user_id FROM interactions) AS users
    UNION ALL
    SELECT
        'item' AS what,
        item_id AS id,
        regexp_replace(nfc_normalize(item_id), '^0*([0-9]+)([.]0*)?$', '\1') AS form
    FROM (SELECT item_id FROM interactions UNION SELECT item_id FROM catalogue) AS items
) AS formed
GROUP BY what, form
HAVING count(*) > 1
ORDER BY what DESC, one
