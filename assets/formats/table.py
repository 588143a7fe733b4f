"""One description a table: its columns, what it promises, and words. All else that is said of it follows.

Whoever writes it from Python takes the Arrow schema, `assets.contracts` makes its blocking checks,
`assets.shown.tables` what the UI shows, and `pipelines.tables` the page docs/tables.md.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

ROLES = "^(libraries|games|reviews|items|(table|plays|items)/.+)$"  # of raw files
DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
HASH = "^[0-9a-f]{64}$"  # SHA-256
HASH_OR_NONE = "^([0-9a-f]{64})?$"


@dataclass(frozen=True)
class Column:
    """A column and what each of its values promises."""

    name: str
    type: pa.DataType
    words: str
    nullable: bool = False
    filled: bool = False  # no empty text
    matches: str = ""  # a regular expression
    one_of: tuple[str, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    or_nan: bool = False  # a number may also be NaN, which is else as good as missing

    @property
    def type_name(self) -> str:
        """As readers know it, such as list<string>."""
        return str(self.type).replace("<item: ", "<").replace("date32[day]", "date")

    def promises(self) -> Iterator[str]:
        """In words, one by one."""
        if self.nullable:
            yield "may be missing"
        if self.filled:
            yield "not empty"
        if self.matches:
            yield f"matches `{self.matches}`"
        if self.one_of:
            yield f"one of {', '.join(self.one_of)}"
        if self.at_least is not None:
            yield f"at least {self.at_least:g}"
        if self.at_most is not None:
            yield f"at most {self.at_most:g}"
        if self.or_nan:
            yield "or NaN"


@dataclass(frozen=True)
class Rule:
    """A promise between rows and tables: the statement selects the rows that break it.

    It reads the table, which it may also call `checked`, and those `beside` it. The `settings` are fields of
    `assets.resources.Cleaning`, bound as parameters of the same name. `explain` makes the one sentence for
    people who can mend it, of the engine, the settings and the first rows.
    """

    check: str
    statement: str
    words: str
    beside: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    explain: Callable[[Any, Mapping[str, Any], Sequence[tuple[Any, ...]]], str] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the lake.

    `optional`: there are homes in which it was never published. `answers`: what its asset tells of a run is
    what people open it for, so the UI shows that first and no list of columns above it.
    """

    name: str
    words: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    optional: bool = False
    answers: bool = False

    @cached_property
    def schema(self) -> pa.Schema:
        return pa.schema([(column.name, column.type) for column in self.columns])

    def rows(self, rows: Sequence[Mapping[str, object]]) -> pa.Table:
        """Rows as Arrow; a column that a row lacks is null."""
        return pa.Table.from_pylist(list(rows), self.schema)


def by_name(*tables: Table) -> dict[str, Table]:
    """Tables that one step makes, in their order."""
    return {table.name: table for table in tables}


def text(name: str, words: str, **promises: Any) -> Column:
    """A text; it is filled unless something else is promised of it."""
    return Column(
        name, pa.string(), words, **{"filled": not promises.keys() & {"matches", "one_of"}, **promises}
    )


def index(name: str, words: str, **promises: Any) -> Column:
    """A whole number from 0 on, of 32 bits."""
    return Column(name, pa.int32(), words, **{"at_least": 0, **promises})


def count(name: str, words: str, **promises: Any) -> Column:
    """A whole number from 0 on, of 64 bits."""
    return Column(name, pa.int64(), words, **{"at_least": 0, **promises})


def time(name: str, words: str, **promises: Any) -> Column:
    """A whole number of 64 bits."""
    return Column(name, pa.int64(), words, **promises)


def share(name: str, words: str, **promises: Any) -> Column:
    """A number from 0 to 1."""
    return Column(name, pa.float64(), words, **{"at_least": 0, "at_most": 1, **promises})


def number(name: str, words: str, **promises: Any) -> Column:
    return Column(name, pa.float64(), words, **promises)


def flag(name: str, words: str, **promises: Any) -> Column:
    return Column(name, pa.bool_(), words, **promises)


def texts(name: str, words: str, **promises: Any) -> Column:
    """A list of texts."""
    return Column(name, pa.list_(pa.string()), words, **promises)
