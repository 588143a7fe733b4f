-- Events that the store brought now, by the day of arrival.
SELECT day, count(*) AS events
FROM new_events
GROUP BY day
ORDER BY day
