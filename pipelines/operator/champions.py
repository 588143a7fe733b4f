"""The commands about the champion: a person's promotion, the way back, and the proof of how it was made."""

import click

from pipelines.operator.environment import open_home
from pipelines.operator.naming import placed_or_named, words
from pipelines.operator.terminal import say


@click.command()
@placed_or_named("version")
@click.option("--by", type=words, default="", help="Who decides.")
@click.option("--reason", type=words, default="", help="Why.")
def promote(version: str, by: str, reason: str) -> None:
    """Make a version the champion, by a person's decision.

    `nextplay status` lists the versions."""
    _, home = open_home()
    from assets.release import promotion

    with home.locked():
        now = promotion.promote(home, version, by, reason)
    say(f"The champion is version {now.version}: {now.reason}.")


@click.command()
def rollback() -> None:
    """Set the champion before this one back.

    A running endpoint follows."""
    _, home = open_home()
    from assets.release import promotion

    seen = home.champions().incumbent()  # before the wait, in which a run may set another one
    with home.locked():
        back = promotion.rollback(home, seen, tell=say)
    say(f"The champion is version {back.version} again.")


@click.command()
@placed_or_named("version")
def reproduce(version: str) -> None:
    """Make a version's bundle again, and compare by hash.

    It is made from the tables that were kept with it.
    The exit status is 1 where the new bundle is not equal, byte for byte.
    """
    settings, home = open_home()
    from assets.training import reproduction

    say(reproduction.reproduce(home, version, progress=settings.shows_progress))


COMMANDS = (promote, rollback, reproduce)
