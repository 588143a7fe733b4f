-- The name of each item that players own; where the libraries disagree, the first in the alphabet.
SELECT item_id, min(name) AS name
FROM read_libraries
WHERE name <> ''
GROUP BY item_id
ORDER BY item_id
