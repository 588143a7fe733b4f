"""`make backup TO=folder`: tables, bundles, champion, MLflow, events and Dagster's runs, as of one moment."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from assets.resources import Home
from assets.state.backup import BackupError, back_up
from pipelines.operator.command import run_command
from pipelines.resources import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="backup", description=__doc__)
    parser.add_argument("to", help="a folder that is new or empty")
    given = parser.parse_args(arguments)

    def action(_: Settings, home: Home) -> str:
        if not given.to:
            raise BackupError("Say where to: make backup TO=/mnt/backups/tonight.")
        with home.locked():
            manifest = back_up(home.folder(), Path(given.to))
        contents = manifest["contents"].values()
        size = sum(entry.get("bytes", 0) for entry in contents)
        return f"Backed up {len(contents):,} files, {size / 1e6:,.1f} MB, from {home.folder()} to {given.to}."

    return run_command(action)


if __name__ == "__main__":
    sys.exit(main())
