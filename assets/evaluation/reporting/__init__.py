"""The gate report: one page a run, from which a person who was not there can decide."""
