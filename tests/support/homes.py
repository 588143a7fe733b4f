"""Homes for tests: what is made in them, and what their tables hold."""

from typing import Any

import dagster as dg

from assets.resources import Home, Source
from pipelines.failures import sentence


def materialize(
    home: Home, *what: Any, must_succeed: bool = True, tags: dict[str, str] | None = None, **resources: Any
) -> dg.ExecuteInProcessResult:
    """Make assets, and run checks, in an instance that lives no longer than that."""
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            what,
            resources={"home": home, "source": Source(), **resources},
            instance=instance,
            tags=tags,
            raise_on_error=must_succeed,
        )


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """The metadata of an asset, as plain values."""
    key = dg.AssetKey(asset)
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == key)
    return {name: value.value for name, value in event.materialization.metadata.items()}


def evaluation(check: dg.AssetChecksDefinition, **resources: Any) -> dg.AssetCheckResult:
    """What a blocking check finds."""
    found = next(iter(check(**resources)))
    assert isinstance(found, dg.AssetCheckResult)
    return found


def failure(result: dg.ExecuteInProcessResult) -> str:
    """The sentence of the only step that failed."""
    (event,) = (event for event in result.all_events if event.is_step_failure)
    return sentence(event) or "a bug"


def failed_checks(result: dg.ExecuteInProcessResult) -> list[str]:
    return [e.check_name for e in result.get_asset_check_evaluations() if not e.passed]


def rows(home: Home, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """The rows of a table's current version."""
    with home.lake().connect(table) as connection:
        return connection.execute(f"SELECT {columns} FROM {table}").fetchall()
