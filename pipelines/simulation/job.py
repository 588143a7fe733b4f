"""The job `simulation`: the scenario in the Dagster UI, its picture and tables in the metadata."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
from filelock import FileLock, Timeout

from assets.shown.charts import markdown_image
from models.mistakes import UserError
from pipelines.resources import read_settings
from pipelines.simulation.picture import by_day, draw, nights_table, table
from pipelines.simulation.records import write_records
from pipelines.simulation.scenario import Outcome, Scenario, simulate


class SimulationError(UserError):
    """A simulation cannot begin; the message says why."""


class SimulationConfig(dg.Config):
    """As `pipelines.simulation.scenario.Scenario`."""

    days: int = Scenario.days
    shift: int = Scenario.shift
    size: str = Scenario.size
    seed: int = Scenario.seed
    training: str = Scenario.training


@dg.op(description="Plays the days, runs the nights, judges each way of retraining on the next day.")
def time_travel(context: dg.OpExecutionContext, config: SimulationConfig) -> None:
    outcome = run(Scenario(**config.model_dump()), context.log.info)
    drawn = draw(by_day(outcome), outcome.scenario)
    context.add_output_metadata(
        {
            "NDCG@10 a day": dg.MetadataValue.md(markdown_image(drawn, "What freshness is worth")),
            "by period": dg.MetadataValue.md(table(outcome)),
            "nights": dg.MetadataValue.md(nights_table(outcome)),
            "records": dg.MetadataValue.path(str(records_folder())),
            "seconds": round(outcome.seconds),
        }
    )


@dg.job(
    description="Time travel: what retraining nightly, weekly or never is worth. About half an hour.",
    executor_def=dg.in_process_executor,
)
def simulation() -> None:
    time_travel()


def run(scenario: Scenario, tell: Callable[[str], object]) -> Outcome:
    """Simulate below NEXTPLAY_HOME, apart from what the nightly run has there, and write the records.

    Raises SimulationError where another one works there: each begins with an empty folder.
    """
    _folder().mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(_folder() / "simulation.lock", timeout=0):
            outcome = simulate(scenario, _folder() / "homes", tell)
            write_records(outcome, records_folder())
    except Timeout:
        raise SimulationError(
            f"Another simulation works in {_folder()}: wait for its end, or stop it."
        ) from None
    return outcome


def records_folder() -> Path:
    return _folder() / "records"


def _folder() -> Path:
    return read_settings().home.resolve() / "simulation"
