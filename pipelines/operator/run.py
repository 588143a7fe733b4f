"""Every asset in one process, a line for each asset, and a summary of what came of it."""

import logging
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from rich.console import Console
from rich.markup import escape

from pipelines.failures import failures, first_error, interrupted, sentence, whole_error
from pipelines.instance import fail_killed_runs, open_instance
from pipelines.operator.full_disk import FULL_DISK, disk_is_full
from pipelines.operator.terminal import INTERRUPTED, insisting, interruptible, say

if TYPE_CHECKING:
    from dagster._core.storage.compute_log_manager import CapturedLogContext


def run_everything() -> int:
    """Returns the exit status: 0 also where the gate refused a candidate, which is a normal outcome."""
    from pipelines.definitions import defs, settings
    from pipelines.inputs import input_tags, read_inputs
    from pipelines.one_process import NO_MORE

    console = Console(stderr=True, highlight=False)
    end_on_hangup()
    console.print(
        f"nextplay: source {settings.source}, state in {escape(str(settings.home))}\n", soft_wrap=True
    )
    started = time.monotonic()
    job = defs.resolve_job_def("everything")
    with open_instance() as instance:
        tags = NO_MORE | input_tags(read_inputs(settings))  # whoever started it sees how it ends
        try:
            fail_killed_runs(instance, settings.home)
            _keep_interrupts_from_helpers(instance)
            with _full_disk_told_once(settings.home), interruptible(), insisting():
                result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        except KeyboardInterrupt:
            return _interrupted(console)
        except Exception:  # Dagster's own records could not be written
            if not disk_is_full(traceback.format_exc(), settings.home):
                raise
            console.print(f"\n[bold]The run failed.[/bold] {escape(FULL_DISK)}", soft_wrap=True)
            return 1
    if not result.success:
        return _failed(console, result.all_events, settings.home)
    from pipelines.summary import summary

    say(summary(settings, time.monotonic() - started))
    return 0


def _failed(console: Console, events: Sequence[dg.DagsterEvent], home: Path) -> int:
    if any(interrupted(event) for event in events):
        return _interrupted(console)
    for event in failures(events):
        _explain(console, event, home)
    return 1


def _interrupted(console: Console) -> int:
    console.print("\n[bold]The run was interrupted.[/bold] The next one goes on from here.")
    return INTERRUPTED


def _keep_interrupts_from_helpers(instance: dg.DagsterInstance) -> None:
    """Ctrl-C goes to all programs of a terminal; those that copy a run's output would print stack traces.

    They inherit that it is blocked while they are started.
    """
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)  # it shows a trace before it goes on
    manager = instance.compute_log_manager
    capture = manager.capture_logs

    @contextmanager
    def capture_logs(key: Sequence[str]) -> "Iterator[CapturedLogContext]":
        with ExitStack() as stack:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                context = stack.enter_context(capture(key))
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield context

    manager.capture_logs = capture_logs  # type: ignore[assignment,method-assign]


def end_on_hangup() -> None:
    """A terminal that goes away ends the run as SIGTERM does, which Dagster records; `nohup` still holds."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))


def _explain(console: Console, event: dg.DagsterEvent, home: Path) -> None:
    """A user's mistake in one sentence; anything else with its stack trace."""
    error, whole = first_error(event), whole_error(event)
    if whole is not None and disk_is_full(whole.to_string(), home):
        text = FULL_DISK
    else:
        text = sentence(event) or (error.to_string() if error else "It says nothing of why.")
    what = event.step_key or "The run"
    console.print(f"\n[bold]{what} failed.[/bold] {escape(text)}", soft_wrap=True)


@contextmanager
def _full_disk_told_once(home: Path) -> Iterator[None]:
    """Without the traces of Dagster's generators, each of which wants to record its end on the full disk."""
    before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not disk_is_full("".join(traceback.format_exception(unraisable.exc_value)), home):
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
