"""`nextplay`: one command for whoever runs the pipeline. Slow imports stand where they are used."""

import atexit
import os
import select
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from models.memory import NO_MEMORY, out_of_memory
from models.mistakes import UserError
from models.release import RELEASE
from pipelines.operator import champions, runs, servers, state
from pipelines.operator.environment import ADVICE, set_defaults
from pipelines.operator.full_disk import FULL_FOR_A_COMMAND, disk_is_full
from pipelines.operator.terminal import INTERRUPTED, interruptible, prepare, say

CLOSED = 141  # as shells count SIGPIPE


class InOrder(click.Group):
    """Lists its commands as they were added, not by the alphabet."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(RELEASE, message="%(prog)s %(version)s")
def nextplay() -> None:
    """Learns what players play next, and serves it.

    All state lies in the folder NEXTPLAY_HOME, ./var by default. Every setting is an environment variable:
    `nextplay settings` lists them.
    """


for command in (*runs.COMMANDS, *champions.COMMANDS, *state.COMMANDS, *servers.COMMANDS):
    nextplay.add_command(command)


@nextplay.command()
@click.option("--markdown", "as_markdown", is_flag=True, help="As docs/settings.md.")
def settings(as_markdown: bool) -> None:
    """List every setting with its default and meaning."""
    from pipelines.operator.settings import listing, markdown

    say(markdown() if as_markdown else listing(), end="" if as_markdown else "\n")


@nextplay.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete these commands.

    For bash: eval "$(nextplay completion bash)"
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        say(kind(nextplay, {}, "nextplay", "_NEXTPLAY_COMPLETE").source())


def answer(arguments: Sequence[str] | None = None) -> int:
    """Do what is asked for and return the exit status; a mistake is one sentence and the last line."""
    try:
        return nextplay.main(arguments, prog_name="nextplay", standalone_mode=False) or 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.ClickException as wrong:
        wrong.show(file=sys.stderr)
        return wrong.exit_code
    except UserError as mistake:
        sys.stderr.write(f"{mistake}\n")
        return 1
    except (BrokenPipeError, SystemExit) as end:
        by_click = isinstance(end, SystemExit) and end.code == 1  # what it makes of a broken pipe
        if not ((by_click or isinstance(end, BrokenPipeError)) and _reader_is_gone()):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter's last flush fails again
        sys.stderr.write("Standard output was closed before all was printed.\n")
        return CLOSED
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        if out_of_memory(trace):
            told = NO_MEMORY
        elif disk_is_full(trace, Path(os.environ.get("NEXTPLAY_HOME") or "var")):
            told = FULL_FOR_A_COMMAND
        elif isinstance(error, PermissionError) and error.filename is not None:
            told = f"{error.filename} cannot be read or written by this user: {ADVICE}"
        else:
            raise
        sys.stderr.write(f"{told}\n")
        return 1


def _reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads."""
    poll = select.poll()
    poll.register(1, select.POLLOUT)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _mute_the_teardown() -> None:
    """DuckDB's binding lists its own leaks as the interpreter ends, below the last line of ours."""
    if "duckdb" in sys.modules:
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Answer and end; `pipelines.start` calls it."""
    prepare()
    atexit.register(_mute_the_teardown)  # registered first, so it runs last
    set_defaults()
    with interruptible():
        status = answer(arguments)
    if status == INTERRUPTED:
        runs.leave(status)  # a library's threads may still work, and the interpreter would wait for them
    sys.exit(status)


if __name__ == "__main__":
    main()
