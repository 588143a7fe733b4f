"""The endpoint: one plain ASGI app, mounted by BentoML; no torch, MLflow or Dagster at run time."""
