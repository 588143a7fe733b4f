-- Whether the source is dated, and how its times look.
SELECT count(*) > 0 AND count(*) = count(timestamp) AS dated, max(timestamp) AS last
FROM interactions
