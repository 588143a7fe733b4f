"""The job `as_served`: the evaluation of the system in the Dagster UI, its table in the metadata."""

import dagster as dg
from pydantic import Field

from assets.evaluation.as_served import in_words, markdown, shown
from models.mistakes import UserError
from pipelines.as_served.measure import measure
from pipelines.resources import read_settings


class AsServedConfig(dg.Config):
    """What is measured."""

    cuts: list[str] = Field(
        default_factory=list, description="last, or times; by default they follow from the data"
    )


@dg.op(description="Runs a night before each cut, and judges what it serves by what was played next.")
def measure_as_served(context: dg.OpExecutionContext, config: AsServedConfig) -> None:
    try:
        rows = shown(measure(read_settings(), config.cuts, tell=context.log.info))
    except UserError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    context.log.info("%s", in_words(rows))
    context.add_output_metadata({"as served": dg.MetadataValue.md(markdown(rows))})


@dg.job(
    name="as_served",
    description="What is served, measured: whole nights with plays held back, each as long as a first night. "
    "The table as_served has the figures.",
    executor_def=dg.in_process_executor,
)
def as_served_job() -> None:
    measure_as_served()
