"""A run of everything in a home of its own, from within another process or run."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType

import dagster as dg

from pipelines.factory import define
from pipelines.failures import failures, interrupted, reason
from pipelines.resources import Settings

LEADS_OUT = ("NEXTPLAY_", "MLFLOW_REGISTRY_URI")  # beginnings of variables that name other places


def run_apart(
    settings: Settings, until: Sequence[str] = (), environment: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Run the job `everything`, or what is needed for some of its assets; returns why it failed, if it did.

    Of the environment, what names places of the project is out of sight, but for what `environment` holds.
    """
    with own_environment(environment), dg.DagsterInstance.ephemeral() as instance:
        definitions = define(settings)
        selected = None
        if until:
            needed = dg.AssetSelection.assets(*until).upstream().required_multi_asset_neighbors()
            selected = sorted(needed.resolve(definitions.resolve_asset_graph()))
        result = definitions.resolve_job_def("everything").execute_in_process(
            instance=instance, raise_on_error=False, asset_selection=selected
        )
    if any(interrupted(event) for event in result.all_events):
        raise KeyboardInterrupt
    return None if result.success else _why(failures(result.all_events))


@contextmanager
def own_environment(instead: Mapping[str, str] = MappingProxyType({})) -> Iterator[None]:
    """Without what would lead a run out of its own home: its champions are not those of the nights.

    Settings are not all: shared databases are read from the environment where they are used.
    """
    names = [name for name in os.environ if name.upper().startswith(LEADS_OUT)]
    kept = {name: os.environ.pop(name) for name in names}
    os.environ.update(instead)
    try:
        yield
    finally:
        for name in instead:
            os.environ.pop(name, None)
        os.environ.update(kept)


def _why(failed: Sequence[dg.DagsterEvent]) -> str:
    if not failed:
        return "the run failed, and says nothing of why"
    return f"{failed[0].step_key or 'the run'}: {reason(failed[0])}"
