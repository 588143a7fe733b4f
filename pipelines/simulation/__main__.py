"""`make simulate`: 60 days and their nights, unattended; a line for each night, and the tables at the end."""

import argparse
import os
import sys
from dataclasses import replace

from pipelines.simulation.faults import FaultError
from pipelines.simulation.job import records_folder, run
from pipelines.simulation.nights import NightError
from pipelines.simulation.picture import nights_table, table
from pipelines.simulation.scenario import Scenario


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m pipelines.simulation", description=__doc__)
    parser.add_argument("--days", type=int, default=Scenario.days)
    parser.add_argument("--seed", type=int, default=Scenario.seed)
    given = parser.parse_args()
    scenario = replace(Scenario(), days=given.days, seed=given.seed)
    try:
        outcome = run(scenario, _tell)
    except (FaultError, NightError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _tell(f"\n{table(outcome)}\n\n{nights_table(outcome)}\n")
    _tell(f"Took {outcome.seconds / 60:.0f} minutes. Picture and tables: {records_folder()}")
    return 0


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":  # a night that is to be killed runs in a process of its own, which imports this
    status = main()
    os._exit(status)  # without tearing down: DuckDB would list every object that ibis still holds
