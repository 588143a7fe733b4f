"""Semantic ids: items as short sequences of codes, learned from their content, and what generates them."""
