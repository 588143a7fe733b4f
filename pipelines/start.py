"""Where `nextplay` begins: until its commands are loaded, Ctrl-C ends it without a stack trace."""

import os
import signal
from collections.abc import Sequence
from typing import NoReturn

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """What the console script calls."""
    from pipelines.operator import cli

    cli.main(arguments)


if __name__ == "__main__":
    main()
