-- A twin: Spark's discrete quantile is an ordered-set aggregate, which SQLGlot does not make of quantile_disc.
-- The time before which a share of the plays lies.
SELECT percentile_disc(:share) WITHIN GROUP (ORDER BY timestamp) AS time
FROM core_interactions
