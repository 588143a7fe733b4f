-- Ranks of earlier nights by tonight's recipes, of plays that are still there and that tonight does not test.
SELECT earlier.model, earlier.recipe, earlier.user_id, earlier.position, earlier.item_id, earlier.rank
FROM earlier_ranks AS earlier
JOIN recipes ON recipes.model = earlier.model AND recipes.recipe = earlier.recipe
JOIN sequences AS made ON made.user_id = earlier.user_id AND made.position = earlier.position
JOIN items ON items.item_index = made.item_index AND items.item_id = earlier.item_id
WHERE NOT EXISTS (
    FROM tonight WHERE tonight.user_id = earlier.user_id AND tonight.position = earlier.position
)
QUALIFY row_number() OVER (
    PARTITION BY earlier.model, earlier.user_id ORDER BY earlier.position DESC
) <= $most
ORDER BY ALL
