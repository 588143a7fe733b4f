"""The one Definitions object that Dagster loads."""

from pipelines.as_served.job import as_served_job
from pipelines.factory import define
from pipelines.resources import read_settings
from pipelines.simulation.job import simulation
from serving.private import keep_private

keep_private()  # Dagster's own commands begin here
settings = read_settings()
defs = define(settings, simulation, as_served_job)
