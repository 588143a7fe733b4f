"""Retrieval, ranking and re-ranking as one model: the pipeline that large recommenders are built as."""
