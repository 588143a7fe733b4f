"""Opens an event store by its address: a path is an SQLite file, `postgresql://…` a database."""

import re
from pathlib import Path

from serving.state.events import EventStore, EventStoreError
from serving.state.events_sqlite import SqliteEventStore

CLEAR = re.compile(r"postgres(?:ql)?://(?:(?:[^@/?#%]|%[0-9A-Fa-f]{2})*@)?[^@]*")  # user:password@the rest
HOW_TO_CLEAR = "in its password, write what is no letter or digit as % and two digits"


def is_database(address: str) -> bool:
    return address.startswith(("postgresql://", "postgres://"))


def is_clear(address: str) -> bool:
    """Whether libpq takes no piece of a password for something else, which its messages would then hold."""
    return CLEAR.fullmatch(address) is not None


def open_event_store(address: str | Path, at_once: bool = True, reader: bool = False) -> EventStore:
    """The store at an address, made if it is missing. Raises EventStoreError.

    One that is not opened at once raises it when it is used, until it can be opened. A reader's makes
    nothing, and has little patience.
    """
    if isinstance(address, Path) or not is_database(address):
        return SqliteEventStore(Path(address), at_once, reader)
    try:
        from serving.state.events_postgres import PostgresEventStore
    except ImportError:
        raise EventStoreError(
            "An event store in Postgres needs psycopg: install the extra 'postgres'."
        ) from None
    return PostgresEventStore(address, at_once, reader)
