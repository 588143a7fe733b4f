"""`make tune NETWORK=sasrec MINUTES=30`: better settings for these data, by validation alone."""

import argparse
import json
import sys
from collections.abc import Sequence

from assets.resources import Home
from assets.training.tuning import tune
from models.networks import NETWORKS
from pipelines.operator.command import run_command
from pipelines.resources import Settings, training_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0; a later call goes on from the trials of the ones before."""
    parser = argparse.ArgumentParser(prog="tune", description=__doc__)
    parser.add_argument("--network", choices=list(NETWORKS), default="sasrec")
    parser.add_argument("--minutes", type=float, default=30.0)
    given = parser.parse_args(arguments)

    def action(settings: Settings, home: Home) -> str:
        best = tune(home, given.network, training=training_of(settings), minutes=given.minutes)
        return (
            f"Validation NDCG@10 {best.ndcg:.4f}, {best.default_ndcg:.4f} with the defaults, after "
            f"{best.trials} "
            f"trials. To train with it: NEXTPLAY_TRAINING='{json.dumps(dict(best.changes))}' make run"
        )

    return run_command(action)


if __name__ == "__main__":
    sys.exit(main())
