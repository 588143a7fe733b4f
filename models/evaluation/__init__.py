"""How good a model is (metrics), how sure that is (stats), and whether it is promoted (gate)."""
