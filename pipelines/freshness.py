"""How old tables and champion may grow before Dagster's UI calls them stale."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import dagster as dg

NIGHTS_MISSED = timedelta(days=2)  # past the champion's age before it is a failure: somebody has to look

Asset = dg.AssetsDefinition | dg.AssetSpec


def fresh(assets: Iterable[object], max_age_days: float) -> Sequence[Asset]:
    """Assets warn past the champion's maximum age, at which even an unchanged night runs again.

    One in partitions shows itself which of them are there.
    """
    age = timedelta(days=max_age_days)
    policy = dg.FreshnessPolicy.time_window(fail_window=age + NIGHTS_MISSED, warn_window=age)

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec if spec.partitions_def else dg.apply_freshness_policy(spec, policy)

    return list(dg.map_asset_specs(with_policy, [asset for asset in assets if isinstance(asset, Asset)]))
