"""What every table promises: one Pandera schema for each table, and rules between rows and tables as SQL.

Both run as blocking asset checks beside the asset that makes the table: a broken promise fails the run and
keeps everything downstream from starting. A schema is checked by ibis inside the engine, so no table is
loaded into memory. The SQL of a rule selects the rows that break it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from assets.engines.engine import Engine
from assets.engines.sql import markdown
from assets.resources import Cleaning, Home

SHOWN = 5  # failing rows in a check's metadata

ROLES = "^(libraries|games|reviews|items|(table|plays|items)/.+)$"  # of raw files
MEASURES = ("item popularity", "history length", "scores", "unknown ids", "fallbacks")  # of drift

Parameters = Callable[[Cleaning], Mapping[str, Any]]


def schemas() -> dict[str, Any]:
    """The schema of each table. A function, because importing pandera's ibis backend takes two seconds."""
    import ibis.expr.datatypes as dt
    import pandera.ibis as pa

    def text(*checks: Any, nullable: bool = False) -> Any:
        return pa.Column(dt.string, list(checks), nullable=nullable)

    def whole(*checks: Any, dtype: Any = dt.int32, nullable: bool = False) -> Any:
        return pa.Column(dtype, list(checks), nullable=nullable)

    def share(nullable: bool = False) -> Any:
        return pa.Column(dt.float64, [pa.Check.ge(0), pa.Check.le(1)], nullable=nullable)

    day = text(pa.Check.str_matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))
    filled, not_negative = pa.Check.str_length(min_value=1), pa.Check.ge(0)
    count = whole(not_negative, dtype=dt.int64)
    role = text(pa.Check.str_matches(ROLES))
    played = {
        "user_id": text(filled),
        "item_id": text(filled),
        "position": whole(not_negative),
        "playtime": whole(not_negative, nullable=True),
        "timestamp": whole(dtype=dt.int64, nullable=True),
    }
    received = {
        "event_id": text(filled),
        "user_id": text(filled),
        "item_id": text(filled),
        "played_at": whole(dtype=dt.int64),
        "received_at": whole(not_negative, dtype=dt.int64),
    }
    columns: dict[str, dict[str, Any]] = {
        "raw_files": {
            "role": role,
            "path": text(filled),
            "sha256": text(pa.Check.str_matches("^[0-9a-f]{64}$")),
            "bytes": whole(not_negative, dtype=dt.int64),
            "address": text(filled),
        },
        "interactions": played,
        "all_interactions": played,
        "core_interactions": played,
        "events": received
        | {
            "request_id": text(nullable=True),
            "day": text(pa.Check.str_matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")),
        },
        "event_quarantine": received | {"reason": text(filled)},
        "quarantine": {
            "file": role,
            "line": whole(pa.Check.ge(1)),
            "item": whole(not_negative, nullable=True),
            "reason": text(filled),
            "text": text(),
        },
        "catalogue": {
            "item_id": text(filled),
            "title": text(filled, nullable=True),
            "genres": pa.Column(),  # pandera knows no type of lists in ibis
            "tags": pa.Column(),
            "price": pa.Column(dt.float64, [not_negative], nullable=True),
            "release_date": text(nullable=True),
            "early_access": pa.Column(dt.boolean, nullable=True),
            "attributes": text(nullable=True),
        },
        "item_names": {"item_id": text(filled), "name": text(filled)},
        "raw_counts": {
            "file": role,
            "lines_read": count,
            "items_read": count,
            "lines_accepted": count,
            "items_accepted": count,
            "lines_forgotten": count,
            "items_forgotten": count,
            "repeats": count,
        },
        "items": {
            "item_index": whole(pa.Check.ge(1)),
            "item_id": text(filled),
            "title": text(filled),
            "count": whole(not_negative),
            "genres": pa.Column(nullable=True),
            "tags": pa.Column(nullable=True),
            "price": pa.Column(dt.float64, [not_negative], nullable=True),
            "release_date": pa.Column(dt.date, nullable=True),
            "early_access": pa.Column(dt.boolean, nullable=True),
            "attributes": text(nullable=True),
        },
        "items_before": {"item_index": whole(pa.Check.ge(1)), "item_id": text(filled)},
        "drift": {
            "day": day,
            "champion": text(filled),
            "measure": text(pa.Check.isin(MEASURES)),
            "n": whole(pa.Check.ge(1), dtype=dt.int64),
            "value": share(),
            "bound": share(),
            "chance": share(nullable=True),
            "low": share(nullable=True),
            "high": share(nullable=True),
            "drifted": pa.Column(dt.boolean),
        },
        "online_results": {
            "day": day,
            "model_version": text(filled),
            "k": whole(pa.Check.ge(1)),
            "requests": whole(pa.Check.ge(1), dtype=dt.int64),
            "hits": count,
            "hit_rate": share(),
            "low": share(),
            "high": share(),
        },
        "sequences": {
            "user_index": whole(not_negative),
            "user_id": text(filled),
            "position": whole(not_negative),
            "item_index": whole(pa.Check.ge(1)),
            "split": text(pa.Check.isin(["train", "validation", "test", "context"])),
            "timestamp": whole(dtype=dt.int64, nullable=True),
        },
    }
    time = whole(dtype=dt.int64, nullable=True)
    sizes = ("train", "validation", "test", "context", "unseen_in_training")
    columns["split"] = {"name": text(filled), "validation_from": time, "test_from": time}
    columns["split"] |= dict.fromkeys(sizes, count)
    return {table: pa.DataFrameSchema(of, strict=True, name=table) for table, of in columns.items()}


def schema_faults(engine: Engine, table: str) -> list[tuple[str, str, str]]:
    """Every broken promise of the schema at once, as column, check, what was found."""
    from pandera.errors import SchemaErrors

    checked, schema = engine.ibis_table(table), schemas()[table]
    if checked.count().execute() == 0:
        for column in schema.columns.values():  # pandera takes the absence of rows for a broken promise
            column.checks, column.nullable = [], True
    try:
        schema.validate(checked, lazy=True)
    except SchemaErrors as errors:
        return [_schema_fault(error) for error in errors.schema_errors]
    return []


def rule_faults(
    engine: Engine, rule: str, parameters: Mapping[str, Any]
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """The columns, the first rows and the number of the rows that break a rule."""
    found, count = engine.find_some(rule, parameters, SHOWN)
    return found.columns, found.rows, count


def contract(table: str) -> dg.AssetChecksDefinition:
    """The blocking check that a table fulfils its schema."""

    @dg.asset_check(
        asset=table,
        name=f"{table}_fulfils_its_contract",
        blocking=True,
        description=f"The schema of {table}.",
    )
    def check(home: Home) -> dg.AssetCheckResult:
        with home.engine_on(table) as engine:
            faults = schema_faults(engine, table)
        return verdict(f"the schema of {table}", ["column", "check", "found"], faults[:SHOWN], len(faults))

    return check


def no_faults(
    name: str,
    rule: str,
    tables: Sequence[str],
    description: str,
    parameters: Parameters | None = None,
    checked: str | None = None,
) -> dg.AssetChecksDefinition:
    """The blocking check, on the first of `tables`, that no rows break a rule.

    A rule for several tables reads the view `checked`, which then stands for that table.
    """

    @dg.asset_check(
        asset=tables[0],
        name=name,
        blocking=True,
        description=description,
        additional_deps=tables[1:],
    )
    def check(home: Home, cleaning: Cleaning) -> dg.AssetCheckResult:
        with home.engine_on(*tables) as engine:
            if checked is not None:
                engine.alias("checked", checked)
            values = parameters(cleaning) if parameters else {}
            return verdict(description, *rule_faults(engine, rule, values))

    return check


def verdict(
    promise: str, columns: Sequence[str], first: Sequence[Sequence[Any]], count: int
) -> dg.AssetCheckResult:
    """Passed where nothing was found; otherwise what was promised, how much breaks it, and a sample."""
    if count == 0:
        return dg.AssetCheckResult(passed=True, metadata={"failing rows": 0})
    return dg.AssetCheckResult(
        passed=False,
        description=f"Broken: {promise.rstrip('.')}. {count:,} failing rows; the first: {first[0]}",
        metadata={"failing rows": count, "sample": dg.MetadataValue.md(markdown(columns, first))},
    )


def _schema_fault(error: Any) -> tuple[str, str, str]:
    column = getattr(error.schema, "name", None) or ""
    return str(column), str(error.check), str(error)
