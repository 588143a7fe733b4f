-- The time before which a share of the plays lies.
SELECT quantile_disc(timestamp, $share) AS time
FROM core_interactions
