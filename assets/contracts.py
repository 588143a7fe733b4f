"""The checks of every table, made from its description (`assets.formats.table`).

They run as blocking asset checks beside the asset that makes the table: a broken promise fails the run with
one sentence and keeps everything downstream from starting. One query through ibis asks inside the engine
whether the columns are sound, so no table is loaded into memory; what is broken where they are not, a Pandera
schema tells. The SQL of a rule selects the rows that break it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce, wraps
from operator import and_
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.engines.engine import Engine
from assets.engines.sql import markdown
from assets.formats.table import Column, Rule, Table
from assets.resources import Cleaning, Home

SHOWN = 5  # failing rows in a check's metadata


NO_MISTAKE = "No data and no setting should lead to this: please report it."


def blocking_check(
    **options: Any,
) -> Callable[[Callable[..., dg.AssetCheckResult]], dg.AssetChecksDefinition]:
    """`dagster.asset_check`, blocking: the description of a check that fails is what its run says last."""

    def decorate(check: Callable[..., dg.AssetCheckResult]) -> dg.AssetChecksDefinition:
        def checked(**resources: Any) -> Iterator[dg.AssetCheckResult]:
            result = check(**resources)
            yield result
            if not result.passed:
                raise dg.Failure(result.description, allow_retries=False)

        asked: Any = wraps(check)(checked)
        asked.__annotations__ = {**check.__annotations__, "return": Iterator[dg.AssetCheckResult]}
        return dg.asset_check(blocking=True, **options)(asked)

    return decorate


def checks_of(*tables: Table) -> list[dg.AssetChecksDefinition]:
    """The blocking checks of some tables: of its columns, and of each of its rules."""
    return [
        check
        for table in tables
        for check in (contract(table), *(rule_check(table, rule) for rule in table.rules))
    ]


def contract(table: Table) -> dg.AssetChecksDefinition:
    """The blocking check that a table has the columns that it promises, with such values."""

    @blocking_check(
        asset=table.name,
        name=f"{table.name}_fulfils_its_contract",
        description=f"The schema of {table.name}.",
    )
    def check(home: Home) -> dg.AssetCheckResult:
        if table.optional and not home.lake().has(table.name):
            return dg.AssetCheckResult(passed=True, description="It was never published in this home.")
        with home.engine_on(table.name) as engine:
            faults = schema_faults(engine, table)
        promise = f"The schema of {table.name}"
        return verdict(promise, ["column", "check", "found"], faults[:SHOWN], len(faults))

    return check


def rule_check(table: Table, rule: Rule) -> dg.AssetChecksDefinition:
    """The blocking check that no rows break a rule."""

    @blocking_check(
        asset=table.name,
        name=rule.check,
        description=rule.words,
        additional_deps=rule.beside,
    )
    def check(home: Home, cleaning: Cleaning) -> dg.AssetCheckResult:
        with home.engine_on(table.name, *rule.beside) as engine:
            engine.alias("checked", table.name)
            values = {name: getattr(cleaning, name) for name in rule.settings}
            columns, first, count = rule_faults(engine, rule.statement, values)
            why = rule.explain(engine, values, first) if count and rule.explain else None
        return verdict(rule.words, columns, first, count, why)

    return check


def schema(table: Table) -> Any:
    """The Pandera schema. Made when asked for, because importing pandera's ibis backend takes two seconds."""
    import pandera.ibis as pandera

    columns = {column.name: _pandera_column(column) for column in table.columns}
    return pandera.DataFrameSchema(columns, strict=True, name=table.name)


def _pandera_column(column: Column) -> Any:
    import pandera.ibis as pandera
    from ibis.formats.pyarrow import PyArrowType

    nested = pa.types.is_nested(column.type)  # pandera knows no type of lists in ibis
    dtype = None if nested else PyArrowType.to_ibis(column.type)
    return pandera.Column(dtype, list(_pandera_checks(column)), nullable=column.nullable or column.or_nan)


def _pandera_checks(column: Column) -> Iterator[Any]:
    from pandera.ibis import Check

    if column.filled:
        yield Check.str_length(min_value=1)
    if column.matches:
        yield Check.str_matches(column.matches)
    if column.one_of:
        yield Check.isin(column.one_of)
    if column.at_least is not None:
        yield Check.ge(column.at_least)
    if column.or_nan:
        yield _check_number_or_nan(column)
    elif column.at_most is not None:
        yield Check.le(column.at_most)


def _check_number_or_nan(column: Column) -> Any:
    """That a value is there, and is NaN or within `at_most`: pandera takes NaN for a missing value."""
    from pandera.ibis import Check

    def holds(data: Any) -> Any:
        return _number_or_nan(data.table[data.key], column)

    return Check(holds, name="not_nullable_or_nan", ignore_na=False)


def _number_or_nan(values: Any, column: Column) -> Any:
    within = True if column.at_most is None else values <= column.at_most
    return values.notnull() & (values.isnan() | within)


def schema_faults(engine: Engine, table: Table) -> list[tuple[str, str, str]]:
    """Every broken promise of the columns at once, as column, check, what was found."""
    checked = engine.ibis_table(table.name)
    if is_sound(checked, table):
        return []
    from pandera.errors import SchemaErrors

    promised = schema(table)
    if checked.count().execute() == 0:
        for column in promised.columns.values():  # pandera takes the absence of rows for a broken promise
            column.checks, column.nullable = [], True
    try:
        promised.validate(checked, lazy=True)
    except SchemaErrors as errors:
        return [_schema_fault(error) for error in errors.schema_errors]
    return []


def is_sound(checked: Any, table: Table) -> bool:
    """Whether the columns plainly keep all their promises, in one query: Pandera asks one for each promise.

    As strict as the schema or stricter: what is not sound for this is asked again, of Pandera.
    """
    from ibis.formats.pyarrow import PyArrowType

    types = {name: found.copy(nullable=True) for name, found in checked.schema().items()}
    promised = {c.name: PyArrowType.to_ibis(c.type).copy(nullable=True) for c in table.columns}
    if set(types) != set(promised) or any(
        types[c.name] != promised[c.name] for c in table.columns if not pa.types.is_nested(c.type)
    ):
        return False
    kept = [_kept(checked[column.name], column).all() for column in table.columns]
    (row,) = checked.aggregate(**{f"kept_{i}": one for i, one in enumerate(kept)}).to_pyarrow().to_pylist()
    return all(one is not False for one in row.values())  # nothing is known of no rows


def _kept(values: Any, column: Column) -> Any:
    """Whether each value of a column keeps its promises, as an expression of ibis."""
    promises = [
        ~values.isnan() if pa.types.is_floating(column.type) and not column.or_nan else None,
        values.length() >= 1 if column.filled else None,
        values.re_search(f"^(?:{column.matches})") if column.matches else None,
        values.isin(column.one_of) if column.one_of else None,
        values >= column.at_least if column.at_least is not None else None,
        _number_or_nan(values, column) if column.or_nan else None,
        values <= column.at_most if column.at_most is not None and not column.or_nan else None,
    ]
    kept = reduce(and_, (promise for promise in promises if promise is not None), values.notnull())
    return values.isnull() | kept if column.nullable and not column.or_nan else kept


def rule_faults(
    engine: Engine, rule: str, parameters: Mapping[str, Any]
) -> tuple[list[str], list[tuple[Any, ...]], int]:
    """The columns, the first rows and the number of the rows that break a rule."""
    found, count = engine.find_some(rule, parameters, SHOWN)
    return found.columns, found.rows, count


def verdict(
    promise: str,
    columns: Sequence[str],
    first: Sequence[Sequence[Any]],
    count: int,
    why: str | None = None,
) -> dg.AssetCheckResult:
    """Passed where nothing was found; otherwise what was promised, how much breaks it, and a sample.

    `why` is said in place of that where somebody can mend it.
    """
    if count == 0:
        return dg.AssetCheckResult(passed=True, metadata={"failing rows": 0})
    named = ", ".join(f"{name} {_short(value)}" for name, value in zip(columns, first[0], strict=True))
    broken = f"Broken: {promise.rstrip('.')}. {count:,} failing rows; the first: {named}. {NO_MISTAKE}"
    return dg.AssetCheckResult(
        passed=False,
        description=why or broken,
        metadata={"failing rows": count, "sample": dg.MetadataValue.md(markdown(columns, first))},
    )


def _short(value: object, longest: int = 80) -> str:
    """A value as part of a sentence."""
    text = "none" if value is None else " ".join(str(value).split())
    return text if len(text) <= longest else f"{text[:longest]}…"


def _schema_fault(error: Any) -> tuple[str, str, str]:
    column = getattr(error.schema, "name", None) or ""
    return str(column), str(error.check), str(error)
