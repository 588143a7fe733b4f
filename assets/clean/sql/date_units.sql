-- How many dates there are of each sort.
SELECT unit, count(*) AS plays
FROM measured_dates
GROUP BY unit
