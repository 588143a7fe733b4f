-- Items that have fewer interactions left than the core asks for.
SELECT item_number
FROM remaining
GROUP BY item_number
HAVING count(*) < $core
