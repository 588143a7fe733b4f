"""Dagster's records in Postgres, rewritten without the forgotten: there the home has no file of them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from assets.release.hiding import tag_column
from models.mistakes import UserError

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_TIMEOUT = "10s"  # of the tables, which Dagster has open
ROWS = 1_000  # at a time


class RecordsError(UserError):
    """The database of Dagster's records cannot be rewritten; the message says why."""


def rewrite_elsewhere(address: str, hide: Callable[[str, str], str]) -> int:
    """Rewrite every text of every table; returns how many tables hold less now. Raises RecordsError.

    A table that has changed is built anew, so that its old rows are in no page of it.
    """
    from sqlalchemy import create_engine, inspect, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(address)
        try:
            with engine.begin() as connection:
                connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
                names = inspect(connection).get_table_names()
                changed = [name for name in names if _rewrite(connection, name, hide)]
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
                for name in changed:
                    connection.execute(text(f"VACUUM FULL {_quoted(connection, name)}"))
        finally:
            engine.dispose()
    except (ImportError, SQLAlchemyError) as error:
        why = " ".join(str(getattr(error, "orig", None) or error).split())
        raise RecordsError(
            f"Dagster's records in NEXTPLAY_DAGSTER_DATABASE could not be rewritten ({why}): stop make ui, "
            "and make erase again."
        ) from None
    return len(changed)


def _rewrite(connection: "Connection", table: str, hide: Callable[[str, str], str]) -> bool:
    """Whether a text of a table has changed. A row is found again by its place and its text."""
    from sqlalchemy import String, inspect, text

    changed, name = False, _quoted(connection, table)
    for column in inspect(connection).get_columns(table):
        if not isinstance(column["type"], String):  # Text is one
            continue
        field, tag = _quoted(connection, column["name"]), tag_column(table, column["name"])
        named = _quoted(connection, tag) if tag else "''"
        found = connection.execute(
            text(f"SELECT ctid::text, {field}, {named} FROM {name} WHERE {field} IS NOT NULL"),
            execution_options={"stream_results": True, "yield_per": ROWS},
        )
        new = [(place, old, hidden) for place, old, of in found if (hidden := hide(old, of)) != old]
        for place, old, hidden in new:
            update = text(
                f"UPDATE {name} SET {field} = :hidden WHERE ctid = CAST(:place AS tid) AND {field} = :old"
            )
            connection.execute(update, {"hidden": hidden, "place": place, "old": old})
        changed |= bool(new)
    return changed


def _quoted(connection: "Connection", name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)
