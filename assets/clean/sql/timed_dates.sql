-- The plays whose dates are of our time.
SELECT file, line, user_id, item_id, time
FROM measured_dates
WHERE unit = 'microseconds'
