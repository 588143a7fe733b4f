-- How many users a night noted who are in nothing that is learned from any more: they were forgotten since.
SELECT count(*) AS users
FROM played_until
WHERE user_id NOT IN (SELECT user_id FROM all_interactions)
