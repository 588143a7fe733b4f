"""`make forget USER=…`: a user leaves the event store at once, and the tables with the next run."""

import argparse
import sys
from collections.abc import Sequence

from assets.resources import Home
from pipelines.operator.command import run_command
from pipelines.resources import Settings
from serving.state.event_stores import open_event_store


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="forget", description=__doc__)
    parser.add_argument("--user", required=True, help="the user's id")
    user_id = parser.parse_args(arguments).user

    def action(_: Settings, home: Home) -> str:
        return forget(home, user_id)

    return run_command(action)


def forget(home: Home, user_id: str) -> str:
    """Forget a user in the event store, which is made if there is none; says what was removed."""
    store = home.event_store() or open_event_store(home.events_file)
    try:
        removed = store.forget(user_id)
    finally:
        store.close()
    return (
        f"The user {user_id} is forgotten: {removed.events:,} events and {removed.impressions:,} impressions "
        "are removed, the history is hidden; make run removes the user from the tables."
    )


if __name__ == "__main__":
    sys.exit(main())
