-- Users that have fewer interactions left than the core asks for.
SELECT user_number
FROM remaining
GROUP BY user_number
HAVING count(*) < $core
