"""What the commands print: in letters that the terminal has, on streams that are there, silent on Ctrl-C."""

import codecs
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

from models.mistakes import UserError

INTERRUPTED = 130  # as shells count SIGINT
PLAIN = {
    "…": "...",
    "–": "-",
    "—": "-",
    "−": "-",
    "×": "x",
    "·": "-",
    "•": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "±": "+-",
    "µ": "u",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\u00a0": " ",
    "\u202f": " ",
}  # our own marks; letters of titles and ids are escaped, so that they stay apart


class OutputError(UserError):
    """Standard output cannot be written."""


def prepare() -> None:
    """Make standard output and error take any letter, also where they are closed; once, at the start."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes this number: else the next file that is opened would
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 (a descriptor, to the end)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    codecs.register_error("nextplay", _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="nextplay")


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What stands for letters that an encoding lacks: our marks in ASCII, all others as `\\u65e5`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    escaped = (PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode("ascii") for one in missing)
    return "".join(escaped), error.end


def say(text: str, end: str = "\n") -> None:
    """Print on standard output. Raises OutputError, and BrokenPipeError where nobody reads."""
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else the interpreter's last flush fails again
        raise OutputError(
            f"Standard output cannot be written ({error.strerror}): all else is done."
        ) from None


def end_at_once() -> None:
    """From here on Ctrl-C ends this process without a word; what it has published is whole at any moment."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))


@contextmanager
def insisting(again_s: float = 5.0) -> Iterator[None]:
    """In here an interrupt that a library has swallowed is sent again, until somebody heeds it and leaves."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    left = Event()

    def watch() -> None:
        while heard := os.read(reading, 1):
            if heard[0] == signal.SIGINT and not left.wait(again_s):
                os.kill(os.getpid(), signal.SIGINT)

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


@contextmanager
def interruptible() -> Iterator[None]:
    """In here Ctrl-C is a KeyboardInterrupt, for what tidies up or records its end."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
