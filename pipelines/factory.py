"""What Dagster is told of, for given settings: assets, checks, jobs, schedules, sensors, resources."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import dagster as dg

import assets
from assets.feedback.events import events_of_a_day
from assets.training.networks import network_assets
from models.networks import NETWORKS
from models.stages.names import STAGED, networks_of
from pipelines.console import console
from pipelines.freshness import Asset, fresh
from pipelines.jobs import everything, watch
from pipelines.nights import nightly, retrain_early, watching
from pipelines.one_process import one_process
from pipelines.operator.operations import operations
from pipelines.operator.overview.sensor import nights_page
from pipelines.operator.weekly import backup_job, weekly
from pipelines.resources import Settings, resources
from pipelines.sensors import failure_alert, killed_runs

ROOMS = ("ingest", "clean", "feedback", "sequences", "training", "stages", "evaluation", "release")


def room_assets() -> list[Any]:
    """The assets of each room, which is their group in the UI."""
    loaded = [
        dg.load_assets_from_package_name(f"assets.{room}", group_name=room, include_specs=True)
        for room in ROOMS
    ]
    return [asset for room in loaded for asset in room]


def only_trained(assets: Sequence[Asset], candidates: Collection[str]) -> list[Asset]:
    """The assets; a network that is no candidate is named and nothing more, so that no run makes it green."""
    wanted = {*candidates, *networks_of(candidates)}
    idle = {dg.AssetKey(name) for name in (*NETWORKS, *STAGED) if name not in wanted}
    kept: list[Asset] = []
    for asset in assets:
        if isinstance(asset, dg.AssetsDefinition) and asset.keys & idle:
            if left := [spec for spec in asset.specs if spec.key not in idle]:
                kept.append(network_assets(left))
            kept += [_named(spec) for spec in asset.specs if spec.key in idle]
        else:
            kept.append(asset)
    return kept


def _named(network: dg.AssetSpec) -> dg.AssetSpec:
    why = f"{network.description} It is not trained, as NEXTPLAY_CANDIDATES does not name it."
    return network.replace_attributes(description=why, freshness_policy=None)


def made_by_a_run(assets_there: Iterable[object]) -> frozenset[dg.AssetKey]:
    """The assets that a run of everything makes; the others are told of by those that make them."""
    made = [asset.keys for asset in assets_there if isinstance(asset, dg.AssetsDefinition)]
    return frozenset(key for keys in made for key in keys)


def define(settings: Settings, *more: dg.JobDefinition) -> dg.Definitions:
    """Everything that Dagster knows of, for these settings, and jobs that themselves define such things."""
    assets_there = only_trained(fresh(room_assets(), settings.max_age_days), settings.candidates.split(","))
    backup = backup_job(settings)
    return dg.Definitions(
        assets=assets_there,
        asset_checks=dg.load_asset_checks_from_package_module(assets),
        jobs=[everything, watch, events_of_a_day, *operations(settings), backup, *more],
        schedules=[nightly(settings), watching(settings), weekly(settings, backup)],
        sensors=[
            failure_alert(settings.webhook(), settings),
            retrain_early(settings),
            killed_runs(settings.home),
            nights_page(settings),
        ],
        resources=resources(settings),
        executor=one_process(settings, made_by_a_run(assets_there)),
        loggers={"console": console(settings.verbose)},
    )
