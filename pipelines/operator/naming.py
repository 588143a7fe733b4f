"""An argument of a command that may be given by its name, too: `promote 3` and `promote --version 3`."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click


class Utf8(click.ParamType):
    """Text; bytes of the command line that are none would be an error wherever they end up."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            self.fail(f"{ascii(text)[1:-1]} has bytes that are no UTF-8.", param, ctx)
        return text


class Words(Utf8):
    """What others will read, on one line."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = " ".join(super().convert(value, param, ctx).split())
        if not text.isprintable():
            self.fail(f"{ascii(text)[1:-1]} holds signs that cannot be shown.", param, ctx)
        return text


def placed_or_named(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Adds both forms to a command; it gets the value as `name`. Raises UsageError where neither is given."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @click.argument(name, required=False, type=Utf8())
        @click.option(
            f"--{name}", "named", type=Utf8(), metavar=name.upper(), help=f"{name.upper()}, by its name."
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
