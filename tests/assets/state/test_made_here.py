"""A table of one row decides something: what is read is what was written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.formats.table import Table, text
from assets.state.lake import Lake, LakeError, fingerprint
from assets.state.made_here import publish_row, read_row

DECISION = Table("decision", "What was decided.", (text("winner", "of the night"),), answers=True)


def test_a_row_that_somebody_has_edited_is_no_answer(tmp_path: Path) -> None:
    lake, row = Lake(tmp_path / "lake"), {"winner": "markov"}
    version = publish_row(lake, DECISION, fingerprint("a night"), row)
    assert read_row(lake, DECISION) == row
    edited = pa.Table.from_pylist([{"winner": "mine"}], pq.read_schema(version.path))
    pq.write_table(edited, version.path)
    with pytest.raises(
        LakeError, match="'decision' is not what was written: materialize the asset 'decision' again"
    ):
        read_row(lake, DECISION)
    publish_row(lake, DECISION, fingerprint("a night"), row)
    assert read_row(lake, DECISION) == row
