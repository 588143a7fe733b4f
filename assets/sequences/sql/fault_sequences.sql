-- Interactions that are in the sequences and not in the core, or the reverse.
SELECT core.user_id, core.item_id, core.position, made.item_index
FROM core_interactions AS core
FULL JOIN (
    SELECT sequences.user_id, sequences.position, sequences.item_index, items.item_id
    FROM sequences
    LEFT JOIN items ON items.item_index = sequences.item_index
) AS made
    ON made.user_id = core.user_id AND made.position = core.position AND made.item_id = core.item_id
WHERE core.user_id IS NULL OR made.user_id IS NULL
ORDER BY core.user_id, core.position
