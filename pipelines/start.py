"""Where `nextplay` begins: until its commands are loaded, Ctrl-C ends it without a stack trace."""

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from models.memory import NO_MEMORY, out_of_memory

if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as under nohup
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """What the console script calls."""
    try:
        from pipelines.operator import cli
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        sys.exit(NO_MEMORY)
    cli.main(arguments)


if __name__ == "__main__":
    main()
