"""`make rollback`: the champion before this one again, once no run works; a running endpoint follows."""

import sys

from assets.release.promotion import rollback
from assets.resources import Home
from pipelines.operator.command import run_command
from pipelines.resources import Settings


def roll_back(_: Settings, home: Home) -> str:
    seen = home.champions().incumbent()  # before the wait, in which a run may set another one
    with home.locked():
        back = rollback(home, seen)
    return f"The champion is version {back.version} again."


if __name__ == "__main__":
    sys.exit(run_command(roll_back))
