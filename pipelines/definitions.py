"""The one Definitions object that Dagster loads."""

from pipelines.as_served.job import as_served_job
from pipelines.factory import define
from pipelines.resources import read_settings
from pipelines.simulation.job import simulation

settings = read_settings()
defs = define(settings, simulation, as_served_job)
