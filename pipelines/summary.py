"""What `make run` ends with: the leaderboard, the verdict, three examples, and what to do next."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from assets.clean.left_out_in_all import left_out_in_all
from assets.engines.engine import DuckDB
from assets.evaluation.as_served import in_words, latest
from assets.evaluation.gate import read_verdict
from assets.evaluation.leaderboard import leaderboard_rows
from assets.evaluation.report import report_path
from assets.evaluation.reporting.facts import read_facts
from assets.evaluation.sequence_audit import read_figures
from assets.release.batch_recommendations import champion_examples
from assets.resources import Home
from assets.sequences.loading import split_name
from models.evaluation.audit import follows_ids, on_ids
from pipelines.resources import Servers, Settings, home_of
from serving.settings import Deployment
from serving.state.pointer import Pointer, read_pointer

EXAMPLES = 3
WIDTH = 100


def summary(settings: Settings, seconds: float) -> str:
    """The summary of the state in `settings.home`, for a terminal of `WIDTH` columns."""
    console = Console(highlight=False, width=WIDTH)
    with console.capture() as captured:
        _print(console, settings, seconds)
    return captured.get()


def _print(console: Console, settings: Settings, seconds: float) -> None:
    home = home_of(settings)
    rows = leaderboard_rows(home.lake())
    users, plays = rows[0]["users"], rows[0].get("plays", 0)
    tested = f"{plays:,} test plays of {users:,} users" if plays > users else f"{users:,} test users"
    how = f"{tested}, {split_name(home.lake())}, full catalogue"
    console.print(f"\n[bold]Leaderboard[/bold]  {how}\n")
    console.print(Padding(_leaderboard(rows), (0, 0, 0, 2)))
    for note in filter(None, [_way_to_optimum(rows), _order_note(home)]):
        console.print(Padding(note, (1, 0, 0, 2)))
    verdict = read_verdict(home)
    head = f"promote {verdict.winner}" if verdict.promote else "the champion stays"
    console.print(f"\n[bold]Verdict[/bold]  {head}\n")
    for reason in verdict.reasons:
        console.print(Padding(escape(reason), (0, 0, 0, 2)))
    facts = read_facts(report_path(home))
    if facts:
        _print_alarms(console, facts)
    if told := in_words(latest(home.lake())):
        console.print("\n[bold]As served[/bold]\n")
        console.print(Padding(escape(told), (0, 0, 0, 2)))
    _print_left_out(console, home, settings.repeats_kept)
    _print_champion(console, home, read_pointer(home.pointer_file))
    console.print(f"[bold]Report[/bold]    {escape(str(report_path(home)))}", soft_wrap=True)
    console.print(f"[bold]Took[/bold]      {seconds:.0f} s\n")
    for command, use in _next():
        console.print(f"  {command:<12} {use}")


def _print_champion(console: Console, home: Home, pointer: Pointer | None) -> None:
    """Who it is, and what it recommends to a few users; a home without one says so."""
    if pointer is None:
        console.print("\n[bold]Champion[/bold]  none yet: nothing can be served")
        return
    console.print("\n[bold]What the champion recommends[/bold]\n")
    for history, titles in champion_examples(home, EXAMPLES):
        console.print(f"  after   {escape(', '.join(history))}")
        console.print(f"  [bold]next[/bold]    {escape(', '.join(titles))}\n")
    console.print(f"[bold]Champion[/bold]  version {pointer.version}, Bento {pointer.bento}")


def _print_alarms(console: Console, facts: Mapping[str, Any]) -> None:
    """What would betray a fault of data, training or evaluation."""
    alarms, made = facts["alarms"], facts["checks"]
    head = f"{len(alarms)} of {made} ask for a look" if alarms else f"all {made} are as expected"
    console.print(f"\n[bold]Checks for faults[/bold]  {head}")
    for alarm in alarms:
        console.print(Padding(escape(alarm), (0, 0, 0, 2)))


def _print_left_out(console: Console, home: Home, repeats: str) -> None:
    """What the tables lack of what was read; nothing where they lack nothing."""
    with home.lake().connect("raw_counts", "quarantine") as connection:
        told = left_out_in_all(DuckDB(connection), repeats)
    if told:
        lines = Table.grid(padding=(0, 2))
        for number, sentence in enumerate(told):
            lines.add_row("" if number else "[bold]Left out[/bold]", escape(sentence))
        console.print()
        console.print(lines)


def _next() -> tuple[tuple[str, str], ...]:
    """The commands that come next, with the addresses that they will have."""
    servers, endpoint = Servers(), Deployment()
    return (
        ("make serve", f"the endpoint, on http://{endpoint.host}:{endpoint.port}"),
        ("make ui", f"Dagster with the nightly schedule, on http://127.0.0.1:{servers.ui_port}"),
        ("make mlflow", f"runs and models, on http://127.0.0.1:{servers.mlflow_port}"),
    )


def _order_note(home: Home) -> str | None:
    """A warning where the order of histories may be no more than that ids grow."""
    figures = {figure.name: figure for figure in read_figures(home.lake())}
    return on_ids(figures) if follows_ids(figures) else None


def _leaderboard(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("model")
    table.add_column("role")
    for name in ("NDCG@10", "95 % interval", "HR@10", "MRR@10", "coverage@20"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["model"],
            row["role"],
            f"{row['ndcg_at_10']:.4f}",
            f"{row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f}",
            f"{row['hr_at_10']:.4f}",
            f"{row['mrr_at_10']:.4f}",
            f"{row['coverage_at_20']:.1%}",
        )
    return table


def _way_to_optimum(rows: list[dict[str, Any]]) -> str | None:
    """How much of the way from popularity to the known optimum each candidate goes."""
    value = {row["model"]: row["ndcg_at_10"] for row in rows}
    if "optimum" not in value or "popularity" not in value:
        return None
    way = value["optimum"] - value["popularity"]
    shares = [
        f"{row['model']} {(row['ndcg_at_10'] - value['popularity']) / way:.0%}"
        for row in rows
        if row["role"] == "candidate"
    ]
    return f"Of the way from popularity to the optimum of the sample's known process: {', '.join(shares)}."
