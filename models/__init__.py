"""Sequence models, baselines, metrics and the promotion gate; usable without the rest of the project."""
