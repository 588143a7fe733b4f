"""The commands that run something: the pipeline, a search for settings, a simulation; and how it all went."""

import json
import os
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path
from typing import NoReturn

import click

from pipelines.operator.environment import open_home
from pipelines.operator.terminal import end_at_once, say


@click.command()
@click.option("-v", "--verbose", is_flag=True, help="Show checks, and what steps say of themselves.")
def run(verbose: bool) -> None:
    """Run the whole pipeline, from the raw files to a champion.

    The exit status is 0 also where the gate refuses a candidate, which is a normal outcome.
    """
    end_at_once()
    if verbose:
        os.environ["NEXTPLAY_VERBOSE"] = "true"
    else:
        warnings.simplefilter("ignore")  # of libraries: nothing that a user can mend
    settings, home = open_home()
    from assets.resources import ADDRESSES
    from models.memory import check_room

    check_room(ADDRESSES)
    from pipelines.operator.run import run_everything

    if settings.engine == "spark":
        from assets.engines.spark import check_installed

        check_installed()  # and not after hours of download
    status = run_everything()
    from pipelines.operator.overview.gather import try_overview

    try_overview(settings, home)
    leave(status)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Tell who is champion and why, and what needs attention."""
    missing = not Path(os.environ.get("NEXTPLAY_HOME") or "var").exists()
    settings, home = open_home()
    if missing:  # a misspelt name, most likely
        where = f"There was no home at {home.folder()}, so an empty one was made"
        click.echo(f"  warning {where}: name yours with NEXTPLAY_HOME, or fill it by nextplay run.", err=True)
    from pipelines.operator.status import read_status
    from pipelines.operator.status_page import rendered

    now = read_status(settings, home)
    say(json.dumps(asdict(now), indent=2) if as_json else rendered(now))


@click.command("as-served")
@click.option("--cut", "cuts", multiple=True, help="last, or a time; more than once for several.")
@click.option("--refit/--no-refit", default=None, help="Other than NEXTPLAY_REFIT: shown, and not kept.")
def as_served(cuts: tuple[str, ...], refit: bool | None) -> None:
    """Measure what is served, by nights with plays held back.

    Each night takes as long as a first one; a second call runs none where nothing has changed.
    """
    end_at_once()
    warnings.simplefilter("ignore")  # of libraries: nothing that a user can mend
    settings, _ = open_home()
    from pipelines.as_served.measure import measure
    from pipelines.as_served.page import rendered

    say(rendered(measure(settings, cuts, refit, tell=click.echo)))
    leave(0)


@click.command()
@click.option("--network", default="sasrec", show_default=True)
@click.option("--minutes", type=click.FloatRange(min=0), default=30.0, show_default=True)
def tune(network: str, minutes: float) -> None:
    """Find better settings for these data, by validation alone.

    A later call goes on from the trials of the ones before. It needs the extra `tune`.
    """
    settings, home = open_home()
    from assets.training import tuning
    from models.networks import NETWORKS
    from pipelines.resources import training_of

    if network not in NETWORKS:
        raise click.BadParameter(f"there is no {network!r}; there are {', '.join(NETWORKS)}.")
    best = tuning.tune(home, network, training=training_of(settings), minutes=minutes)
    say(
        f"Validation NDCG@10 {best.ndcg:.4f}, {best.default_ndcg:.4f} with the defaults, after {best.trials} "
        f"trials. To train with it: NEXTPLAY_TRAINING='{json.dumps(dict(best.changes))}' make run"
    )


@click.command()
@click.option("--days", type=click.IntRange(min=1), help="How many; 60 take half an hour.")
@click.option("--seed", type=int, help="Of the players' choices.")
def simulate(days: int | None, seed: int | None) -> None:
    """Simulate 60 days and nights: what is freshness worth?"""
    open_home()
    from pipelines.simulation.job import records_folder
    from pipelines.simulation.job import run as simulated
    from pipelines.simulation.picture import nights_table, table
    from pipelines.simulation.scenario import Scenario

    given = Scenario()
    scenario = replace(given, days=days or given.days, seed=given.seed if seed is None else seed)
    outcome = simulated(scenario, say)
    say(f"\n{table(outcome)}\n\n{nights_table(outcome)}\n")
    say(f"Took {outcome.seconds / 60:.0f} minutes. Picture and tables: {records_folder()}")
    leave(0)


def leave(status: int) -> NoReturn:
    """End without tearing the interpreter down: DuckDB would list every object that ibis still holds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


COMMANDS = (run, status, as_served, tune, simulate)
