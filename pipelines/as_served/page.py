"""The measurement as a terminal shows it."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from assets.evaluation.as_served import in_words, shown
from assets.evaluation.as_served_tables import SERVED

WIDTH = 100
COLUMNS = ("NDCG@10", "95 % interval", "HR@10", "MRR@10", "users")


def rendered(rows: Sequence[Mapping[str, Any]]) -> str:
    """For a terminal of `WIDTH` columns: all cuts, each with its models, best first."""
    console = Console(highlight=False, width=WIDTH)
    with console.capture() as captured:
        for cut in dict.fromkeys(row["cut"] for row in rows):
            console.print(f"\n[bold]As served[/bold]  held back: {escape(cut)}\n")
            console.print(Padding(_table([row for row in rows if row["cut"] == cut]), (0, 0, 0, 2)))
        for sentence in _sentences(shown(rows)):
            console.print(Padding(escape(sentence), (1, 0, 0, 2)))
    return captured.get()


def _sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    served = next(row for row in rows if row["model"] == SERVED)
    told = [f"{in_words(rows)}."]
    if served["never_trained"]:
        told.append(f"{served['never_trained']:,} of these plays are of items that it never trained on.")
    if served["new_users"]:
        told.append(
            f"{served['new_users']:,} more users were not learned from; for them it is NDCG@10 "
            f"{served['new_users_ndcg_at_10']:.4f}."
        )
    return told


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("model")
    for name in COLUMNS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in sorted(rows, key=lambda row: -row["ndcg_at_10"]):
        what = "" if row["model"] == row["architecture"] else f", {row['architecture']}"
        table.add_row(
            row["model"] + what,
            f"{row['ndcg_at_10']:.4f}",
            f"{row['ndcg_at_10_low']:.4f} to {row['ndcg_at_10_high']:.4f}",
            f"{row['hr_at_10']:.4f}",
            f"{row['mrr_at_10']:.4f}",
            f"{row['users']:,}",
        )
    return table
