-- Why events are left out.
SELECT reason, count(*) AS events, count(DISTINCT item_id) AS games, min(item_id) AS first_game
FROM event_quarantine
GROUP BY reason
ORDER BY events DESC, reason
