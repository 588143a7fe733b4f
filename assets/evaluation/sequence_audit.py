"""The sequence audit: how sequential tonight's data are, before any model is believed."""

from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq

from assets.contracts import checks_of
from assets.formats.table import Table, number, text
from assets.resources import Home
from assets.sequences.loading import load_items, load_split
from assets.shown.charts import markdown_image
from assets.shown.plots import audit_chart
from assets.shown.tables import columns_shown
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from assets.state.made_here import write_rows
from models.evaluation.audit import Figure, audit, describe
from models.evaluation.stats import SEED

CODE = made_by(__name__)
SEQUENCE_AUDIT = Table(
    "sequence_audit",
    "How much the order of a history tells, and how much of it is only the item's id.",
    (
        text("name", "of the figure"),
        number("value", "of the figure"),
        number("low", "of the 95 % interval; NaN where there is none", or_nan=True),
        number("high", "of the 95 % interval; NaN where there is none", or_nan=True),
    ),
    answers=True,
)


@dg.asset(
    pool="lake",
    kinds={"numpy"},
    code_version=CODE,
    deps=["sequences", "items"],
    description=SEQUENCE_AUDIT.words,
    metadata=columns_shown(SEQUENCE_AUDIT),
)
def sequence_audit(home: Home) -> dg.MaterializeResult[None]:
    lake = home.lake()

    def write(path: Path) -> None:
        write_figures(lake, audit(load_split(lake), load_items(lake).ids, seed=SEED), path)

    inputs = [lake.current(table).fingerprint for table in ("sequences", "items")]
    lake.publish("sequence_audit", fingerprint("audit", inputs, SEED, CODE), write)
    figures = read_figures(lake)
    return dg.MaterializeResult(
        metadata={
            "in words": describe(figures),
            "NDCG@10 by order": dg.MetadataValue.md(
                markdown_image(audit_chart(figures), "What the order tells")
            ),
            **{figure.name: figure.value for figure in figures},
        }
    )


def write_figures(lake: Lake, figures: list[Figure], path: Path) -> None:
    """One row a figure, in the order given."""
    write_rows(lake, SEQUENCE_AUDIT.rows([vars(figure) for figure in figures]), path)


def read_figures(lake: Lake) -> list[Figure]:
    """The last audit; raises LakeError when there is none."""
    return [Figure(**row) for row in pq.read_table(lake.current("sequence_audit").path).to_pylist()]


AUDIT_CHECKS = checks_of(SEQUENCE_AUDIT)
