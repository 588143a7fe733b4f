-- The time before which a share of the plays was.
SELECT quantile_disc(timestamp, $share) AS time
FROM all_interactions
