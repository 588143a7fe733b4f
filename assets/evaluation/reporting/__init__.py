"""The gate report: one page for each run, from which somebody who was not there can decide."""
