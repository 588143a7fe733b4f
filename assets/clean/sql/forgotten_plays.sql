-- The rows that are left out, as their user asked to be forgotten; only how many they are is kept.
SELECT file
FROM judged_plays
WHERE user_id IN (SELECT user_id FROM forgotten)
