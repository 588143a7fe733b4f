"""`make reproduce VERSION=3`: a version's bundle again from its kept tables, and compared by hash."""

import argparse
import sys
from collections.abc import Sequence

from assets.resources import Home
from assets.training.reproduction import reproduce
from pipelines.operator.command import run_command
from pipelines.resources import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where the new bundle is equal, byte for byte, and 1 otherwise."""
    parser = argparse.ArgumentParser(prog="reproduce", description=__doc__)
    parser.add_argument("--version", default="", help="as make status lists it")
    given = parser.parse_args(arguments)

    def action(settings: Settings, home: Home) -> str:
        return reproduce(home, given.version, progress=settings.progress)

    return run_command(action)


if __name__ == "__main__":
    sys.exit(main())
