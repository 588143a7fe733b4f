"""`make rollback`: the champion before this one again; a running endpoint follows within a second."""

import sys

from assets.promotion import rollback
from assets.resources import Home
from pipelines.command import run_command
from pipelines.resources import Settings


def roll_back(_: Settings, home: Home) -> str:
    with home.locked():
        back = rollback(home)
    return f"The champion is version {back.version} again."


if __name__ == "__main__":
    sys.exit(run_command(roll_back))
