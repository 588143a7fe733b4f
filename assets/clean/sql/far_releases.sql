-- Items that come out in 2100 or later, as programs write it where there is no date, and the last of their days.
SELECT count(*) AS items, max(release_date) AS last
FROM catalogue
WHERE regexp_matches(release_date, '^[0-9]{4}-[0-9]{2}-[0-9]{2}\z') AND release_date >= '2100'
