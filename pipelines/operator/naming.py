"""An argument of a command that may be given by its name, too: `promote 3` and `promote --version 3`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def placed_or_named(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds both forms to a command; it gets the value as `name`. Raises UsageError where neither is given."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @click.argument(name, required=False)
        @click.option(f"--{name}", "named", metavar=name.upper(), help=f"{name.upper()}, by its name.")
        @wraps(command)
        def call(named: str | None, **given: Any) -> None:
            placed = given.pop(name)
            if (placed is None) == (named is None):
                how = "once" if named else f"as {name.upper()} or with --{name}"
                raise click.UsageError(f"Give {name.upper()} {how}.")
            command(**{name: named if placed is None else placed}, **given)

        return call

    return add
