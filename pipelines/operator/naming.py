"""An argument of a command that may be given by its name, too: `promote 3` and `promote --version 3`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


def utf8(text: str) -> str:
    """Text of the command line; bytes that are none would be an error wherever they end up."""
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise click.BadParameter(f"{ascii(text)[1:-1]} has bytes that are no UTF-8.")
    return text


def words(text: str) -> str:
    """What others will read, on one line."""
    text = " ".join(utf8(text).split())
    if not text.isprintable():
        raise click.BadParameter(f"{ascii(text)[1:-1]} holds signs that cannot be shown.")
    return text


def placed_or_named(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds both forms to a command; it gets the value as `name`. Raises UsageError where neither is given."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @click.argument(name, required=False, type=utf8)
        @click.option(
            f"--{name}", "named", type=utf8, metavar=name.upper(), help=f"{name.upper()}, by its name."
        )
        @wraps(command)
        def call(named: str | None, **given: Any) -> None:
            placed = given.pop(name)
            if (placed is None) == (named is None):
                how = "once" if named else f"as {name.upper()} or with --{name}"
                raise click.UsageError(f"Give {name.upper()} {how}.")
            command(**{name: named if placed is None else placed}, **given)

        return call

    return add
