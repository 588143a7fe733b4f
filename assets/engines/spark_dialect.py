"""Statements in DuckDB's dialect as Spark reads them, carried over by SQLGlot.

What SQLGlot does not carry by itself is a function here, an entry in `CARRIED`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

JAVA_DATES = {"%Y": "yyyy", "%m": "M", "%d": "d", "%b": "MMM", "%B": "MMMM"}  # M and d take one digit or two


@cache
def carried(statement: str) -> str:
    """A statement for Spark, with its parameters as `:name`. Raises where SQLGlot knows no translation."""
    import sqlglot

    parsed = sqlglot.parse_one(statement, read="duckdb")
    for parameter in list(parsed.find_all(sqlglot.exp.Parameter)):
        parameter.replace(sqlglot.exp.Placeholder(this=parameter.name))
    for call in list(parsed.find_all(sqlglot.exp.Func)):
        if carry := CARRIED.get(_name(call)):
            call.replace(carry(call))
    return parsed.sql("spark", comments=False, unsupported_level=sqlglot.ErrorLevel.RAISE)


def _name(call: Any) -> str:
    return str(call.name if call.key == "anonymous" else call.sql_name()).lower()


def _epoch_us(call: Any) -> Any:
    """Microseconds since 1970 of a time."""
    from sqlglot import exp

    return exp.func("unix_micros", *call.expressions)


def _quantile_disc(call: Any) -> Any:
    """The discrete quantile, an ordered-set aggregate in Spark; SQLGlot would take an approximate one."""
    from sqlglot import exp

    quantile = exp.Anonymous(this="percentile_disc", expressions=[call.expression])
    order = exp.Order(expressions=[exp.Ordered(this=call.this, nulls_first=True)])
    return exp.WithinGroup(this=quantile, expression=order)


def _try_strptime(call: Any) -> Any:
    """A time in the first of several forms that fits: Spark tries one form a call."""
    from sqlglot import exp

    text, forms = call.expressions
    return exp.Coalesce(
        this=None,
        expressions=[
            exp.func("try_to_timestamp", text.copy(), exp.Literal.string(_java(form.name)))
            for form in forms.expressions
        ],
    )


def _java(form: str) -> str:
    for ours, java in JAVA_DATES.items():
        form = form.replace(ours, java)
    return form


CARRIED: Mapping[str, Callable[[Any], Any]] = {
    "epoch_us": _epoch_us,
    "percentile_disc": _quantile_disc,
    "try_strptime": _try_strptime,
}
