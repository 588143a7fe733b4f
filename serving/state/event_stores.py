"""Opens an event store by its address: a path is an SQLite file, `postgresql://…` a database."""

import re
from pathlib import Path
from urllib.parse import unquote

from serving.state.events import EventStore, EventStoreError
from serving.state.events_sqlite import SqliteEventStore

CODED = "%(?!00)[0-9A-Fa-f]{2}"
CLEAR = re.compile(  # user:password@the rest
    rf"postgres(?:ql)?://(?:(?:[^@/?#%\s]|{CODED})*@)?(?:[^@%\s]|{CODED})*"
)
HOW_TO_CLEAR = "write it without blanks, and in its password what is no letter or digit as % and two digits"


def is_database(address: str) -> bool:
    return address.startswith(("postgresql://", "postgres://"))


def is_clear(address: str) -> bool:
    """Whether libpq neither refuses a password nor takes a piece of it for something else, and says it."""
    try:
        unquote(address, errors="strict")
    except UnicodeDecodeError:
        return False
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
