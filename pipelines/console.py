"""What a run shows on the terminal: a line for each asset, failed checks, warnings; Dagster has the rest."""

import logging
import sys
import time
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from dagster import DagsterEvent

CONSOLE = "nextplay.console"


class ConsoleHandler(logging.Handler):
    """Turns Dagster's events into short lines; other records pass from WARNING on."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        event: DagsterEvent | None = getattr(record, "dagster_event", None)
        line = self._event_line(event) if event is not None else self._message(record)
        if line:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    def _event_line(self, event: "DagsterEvent") -> str | None:
        step = event.step_key or ""
        kind = event.event_type_value
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            return None
        if kind == "STEP_SUCCESS":
            return f"  done    {step:<32} {self._seconds(step)}"
        if kind == "STEP_FAILURE":
            return f"  FAILED  {step:<32} {self._seconds(step)}"
        if kind == "STEP_UP_FOR_RETRY":
            return f"  again   {step:<32} {self._seconds(step)}"
        if kind == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            return None if check.passed else f"  check   {check.check_name}: {check.description or 'failed'}"
        return None

    def _seconds(self, step: str) -> str:
        return f"{time.monotonic() - self._started.get(step, time.monotonic()):6.1f} s"

    @staticmethod
    def _message(record: logging.LogRecord) -> str | None:
        if record.levelno < logging.WARNING:
            return None
        meta = getattr(record, "dagster_meta", None) or {}
        return f"  {record.levelname.lower():<7} {meta.get('orig_message') or record.getMessage()}"


@dg.logger({}, "One line an asset")
def console_logger(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger(CONSOLE)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.handlers = [ConsoleHandler()]
    return logger
