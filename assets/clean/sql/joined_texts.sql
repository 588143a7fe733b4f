-- Lists of the catalogue of which none has several texts, and how many of their texts hold a comma or a semicolon.
SELECT
    name,
    count(*) AS filled,
    count(CASE WHEN regexp_matches(texts[1], '[^,;][,;] ?[^,; ]') THEN 1 END) AS joined,
    min(CASE WHEN regexp_matches(texts[1], '[^,;][,;] ?[^,; ]') THEN texts[1] END) AS first_joined
FROM (
    SELECT 'genres' AS name, genres AS texts FROM catalogue
    UNION ALL
    SELECT 'tags' AS name, tags AS texts FROM catalogue
) AS lists
WHERE len(texts) > 0
GROUP BY name
HAVING max(len(texts)) = 1 AND 10 * joined >= filled
ORDER BY name
