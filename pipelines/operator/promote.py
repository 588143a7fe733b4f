"""`make promote VERSION=3 BY=ada REASON='…'`: a version becomes champion by a person's decision."""

import argparse
import sys
from collections.abc import Sequence

from assets.release.promotion import promote
from assets.resources import Home
from pipelines.operator.command import run_command
from pipelines.resources import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="promote", description=__doc__)
    parser.add_argument("--version", default="", help="as make status lists it")
    parser.add_argument("--by", default="", help="who decides")
    parser.add_argument("--reason", default="", help="why")
    given = parser.parse_args(arguments)

    def action(_: Settings, home: Home) -> str:
        with home.locked():
            now = promote(home, given.version, given.by, given.reason)
        return f"The champion is version {now.version}: {now.reason}."

    return run_command(action)


if __name__ == "__main__":
    sys.exit(main())
