"""The status as people see it: the terminal's page and the Markdown that Dagster shows."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from pipelines.coming import moment
from pipelines.operator.history import Night, Run
from pipelines.operator.status import Champion, Status
from pipelines.records import EVERYTHING

WIDTH = 100
SHOWN, VERSIONS = 5, 20  # earlier champions, versions


def rendered(status: Status, colour: bool | None = None) -> str:
    """The page, for a terminal of `WIDTH` columns."""
    console = Console(highlight=False, width=WIDTH, force_terminal=colour, soft_wrap=False)
    with console.capture() as captured:
        _print(console, status)
    return captured.get().rstrip()


def _print(console: Console, status: Status) -> None:
    _print_champion(console, status)
    attention = "\n[bold]Attention[/bold]" if status.attention else "\n[bold]Attention[/bold]  nothing"
    _say(console, attention, status.attention)
    console.print(f"\n[bold]Last run[/bold]  {told(status.last_run)}")
    if status.backup:
        _say(console, "\n[bold]Backup[/bold]\n", [status.backup])
    if status.nights:
        console.print(f"\n[bold]Nights[/bold]    next: {escape(status.next_night)}\n")
        for night in status.nights:
            _print_night(console, night)
    if status.alarms:
        _say(console, "[bold]Checks[/bold]    of the newest report that ask for a look\n", status.alarms)
    if status.before:
        console.print("\n[bold]Before[/bold]\n")
        console.print(Padding(_before(status.before[:SHOWN]), (0, 0, 0, 2)))
    if status.versions:
        console.print("\n[bold]Versions[/bold]  for make promote\n")
        for version in status.versions[:VERSIONS]:
            note = " (champion)" if status.champion and version.version == status.champion.version else ""
            console.print(f"  {version.version:>4}  {escape(version.description)}{note}")
        if (older := len(status.versions) - VERSIONS) > 0:
            console.print(f"  and {older:,} older ones, which JSON=1 and make mlflow name")
    console.print(f"\n[bold]Sizes[/bold]     {escape(status.home)}\n")
    for name, size in status.sizes.items():
        console.print(f"  {name:<12} {size / 1e6:>10,.1f} MB")


def _print_champion(console: Console, status: Status) -> None:
    """Who it is and why, and what is served, as it was measured last."""
    now = status.champion
    if now is None:
        console.print("[bold]Champion[/bold]  none")
    else:
        head = f"[bold]Champion[/bold]  version {now.version}, {now.architecture}, since {since(now)}\n"
        _say(console, head, filter(None, (now.why, now.learned)))
    if status.as_served:
        _say(console, "\n[bold]As served[/bold]\n", [status.as_served])


def _say(console: Console, head: str, sentences: Iterable[str]) -> None:
    """A heading, and below it a little to the right what it is of."""
    console.print(head)
    for sentence in sentences:
        console.print(Padding(escape(sentence), (0, 0, 0, 2)))


def _print_night(console: Console, night: Night) -> None:
    """When, how it was started and what became of it; below, why. Each try that failed first has its line."""
    what = f", {night.runs[-1].what}" if night.runs and night.runs[-1].what != EVERYTHING else ""
    console.print(escape(f"  {moment(night.at)}  {night.how:<9} {night.outcome}{what}{_took(night)}"))
    for number, run in enumerate(night.runs[:-1], start=1):
        console.print(Padding(escape(f"try {number} {run.result}: {run.said}"), (0, 0, 0, 4)))
    if night.runs and night.runs[0].why:
        console.print(Padding(escape(f"Started because: {night.runs[0].why}"), (0, 0, 0, 4)))
    if night.said:
        console.print(Padding(escape(night.said), (0, 0, 0, 4)))
    console.print()


def _took(night: Night) -> str:
    if not night.runs:
        return ""
    run = night.runs[-1]
    took = f", {run.ended - run.started:.0f} s" if run.started and run.ended else ""
    return f"{took} ({run.run_id[:8]})"


def _before(champions: list[Champion]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), show_header=False)
    table.add_column(justify="right")
    for _ in range(3):
        table.add_column()
    for one in champions:
        table.add_row(one.version, one.architecture, since(one), escape(one.why))
    return table


def since(champion: Champion) -> str:
    """The local time with its zone, and how long ago that is."""
    return f"{moment(champion.since)} ({_ago(champion.since)})"


def told(run: Run | None) -> str:
    """The outcome of a run and when it started."""
    if run is None:
        return "none"
    took = f", took {run.ended - run.started:.0f} s" if run.started and run.ended else ""
    started = f", started {_ago(run.started)}" if run.started else ""
    outcome = run.result if run.result == "interrupted" else run.outcome.lower()
    return f"{outcome}{started}{took} ({run.run_id[:8]})"


def _ago(moment: float) -> str:
    seconds = time.time() - moment
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return "just now" if seconds >= 0 else "in the future: the clock was moved back"
