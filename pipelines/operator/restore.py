"""`make restore FROM=folder`: a backup, checked file by file, into a home that is empty."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from assets.resources import Home
from assets.state.backup import BackupError, restore
from pipelines.operator.command import run_command
from pipelines.resources import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="restore", description=__doc__)
    parser.add_argument("backup", help="what make backup made")
    given = parser.parse_args(arguments)

    def action(settings: Settings, home: Home) -> str:
        if not given.backup:
            raise BackupError("Say from where: make restore FROM=/mnt/backups/tonight.")
        manifest = restore(Path(given.backup), settings.home)
        home.lake().rebuild_warehouse()
        if (home.folder() / "mlflow" / "mlflow.db").exists():
            home.tracking()  # points MLflow at its new place
        champion = home.champions().current()
        who = f"the champion is version {champion.version}" if champion else "there is no champion yet"
        return f"Restored {len(manifest['contents']):,} files to {home.folder()}: {who}."

    return run_command(action)


if __name__ == "__main__":
    sys.exit(main())
