"""A run of the whole pipeline at the `tiny` size, and what Dagster says of it."""

from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster_shared.serdes import deserialize_value, serialize_value

from assets.resources import Home
from pipelines.definitions import define
from pipelines.resources import Settings, resources

# One thread: two workers with two threads each on two cores wait for each other most of the time.
TINY = {
    "source": "sample", "sample_size": "tiny", "training": '{"epochs": 4}', "threads": 1, "progress": False,
}  # fmt: skip
ENVIRONMENT = {f"NEXTPLAY_{name.upper()}": str(value) for name, value in TINY.items()}
HOME, EVENTS = "home", "events.json"


@dataclass(frozen=True)
class FinishedRun:
    """A home after a run, and the events that Dagster recorded."""

    home: Home
    settings: Settings
    events: list[dg.DagsterEvent]

    @property
    def success(self) -> bool:
        return any(event.is_job_success for event in self.events)

    def evaluations(self) -> list[dg.AssetCheckEvaluation]:
        kind = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        return [event.asset_check_evaluation_data for event in self.events if event.event_type is kind]

    def materialization(self, asset: str) -> dg.AssetMaterialization:
        """Of the asset that was materialized once."""
        key = dg.AssetKey(asset)
        (event,) = (e for e in self.events if e.is_step_materialization and e.asset_key == key)
        return event.step_materialization_data.materialization


def run_everything(settings: Settings) -> dg.ExecuteInProcessResult:
    job = define(settings).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(instance=instance, raise_on_error=False)


def home_of(settings: Settings) -> Home:
    home = resources(settings)["home"]
    assert isinstance(home, Home)
    return home


def run_in(folder: Path) -> None:
    """Run everything, and keep home and events in the folder: `finished_run` reads them."""
    result = run_everything(Settings(home=folder / HOME, **TINY))
    (folder / EVENTS).write_text(serialize_value(result.all_events), encoding="utf-8")


def finished_run(folder: Path) -> FinishedRun:
    settings = Settings(home=folder / HOME, **TINY)
    events = deserialize_value((folder / EVENTS).read_text(encoding="utf-8"), list)
    return FinishedRun(home_of(settings), settings, events)
