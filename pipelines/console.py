"""What a run shows on the terminal: a line for each stage, failed checks, warnings; Dagster has the rest."""

import logging
import sys
import time
from typing import TYPE_CHECKING, Any

import dagster as dg
from rich.console import Console
from rich.markup import escape

from pipelines.failures import interrupted

if TYPE_CHECKING:
    from dagster import DagsterEvent

CONSOLE = "nextplay.console"
ROWS = "dagster/row_count"
WIDTH = 32  # of a stage's name
NOT_RUN = "Not executing."  # ends the error that Dagster logs for each step behind a failed one


class ConsoleHandler(logging.Handler):
    """Turns Dagster's events into short lines; other records pass from WARNING on, where `verbose` from INFO.

    A stage is a step that makes assets. Those that only check appear where they fail, or with `verbose`.
    """

    def __init__(self, verbose: bool = False, colours: bool = False) -> None:
        super().__init__()
        self._least = logging.INFO if verbose else logging.WARNING
        self._verbose = verbose
        self._started: dict[str, float] = {}
        self._made: dict[str, list[Any]] = {}
        self._console = Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=colours)

    def emit(self, record: logging.LogRecord) -> None:
        event: DagsterEvent | None = getattr(record, "dagster_event", None)
        line = self._event_line(event) if event is not None else self._message(record)
        if line:
            self._console.print(line)

    def _event_line(self, event: "DagsterEvent") -> str | None:
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self._made[step] = []
        elif kind == "ASSET_MATERIALIZATION":
            self._made.setdefault(step, []).append(event.step_materialization_data.materialization)
        elif kind == "STEP_SUCCESS" and (self._made.get(step) or self._verbose):
            return self._line("done", step) + self._count(step)
        elif kind == "STEP_FAILURE" and interrupted(event):
            return f"[bold]{self._line('stopped', step)}[/bold]"
        elif kind == "STEP_FAILURE":
            return f"[bold red]{self._line('FAILED', step)}[/bold red]"
        elif kind == "STEP_UP_FOR_RETRY":
            return self._line("again", step)
        elif kind == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not (check.passed or check.blocking):  # its step fails, and the run ends with its sentence
                said = f"{check.check_name}: {check.description or 'failed'}"
                return f"  [bold]check[/bold]   {escape(said)}"
        return None

    def _line(self, word: str, step: str) -> str:
        seconds = time.monotonic() - self._started.get(step, time.monotonic())
        return f"  {word:<7} {step:<{WIDTH}} {seconds:6.1f} s"

    def _count(self, step: str) -> str:
        """The rows of the table that was made; of several, of the largest."""
        rows = [
            (int(made.metadata[ROWS].value), made.label) for made in self._made[step] if ROWS in made.metadata
        ]
        if not rows:
            return ""
        count, table = max(rows)
        return f"  {count:>11,} rows{'' if table == step else f' of {table}'}"

    def _message(self, record: logging.LogRecord) -> str | None:
        meta = getattr(record, "dagster_meta", None) or {}
        text = str(meta.get("orig_message") or record.getMessage())
        if record.levelno < self._least or text.endswith(NOT_RUN):
            return None
        return f"  {record.levelname.lower():<7} {escape(text)}"


def console(verbose: bool) -> dg.LoggerDefinition:
    """The logger of the jobs; while a run works, Dagster has a file for standard error."""
    colours = sys.stderr.isatty()

    @dg.logger({}, "One line a stage")
    def console_logger(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger(CONSOLE)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.handlers = [ConsoleHandler(verbose, colours)]
        return logger

    return console_logger
