"""Every table of a finished run is described, is an asset, and stands on the page."""

import pyarrow.parquet as pq

from assets.sequences.loading import TABLES as OF_SEQUENCES
from assets.sequences.sequences_tables import SEQUENCES_TABLES
from assets.shown.tables import FITS
from pipelines.definitions import defs
from pipelines.tables import PAGE, TABLES, page


def test_the_page_is_what_the_descriptions_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m pipelines.tables writes it anew"


def test_every_table_is_an_asset_with_its_words_and_columns() -> None:
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    for name, table in TABLES.items():
        assert specs[name].description == table.words
        shown = specs[name].metadata.get("dagster/column_schema")
        assert (shown is None) == table.answers
        if shown is None:
            continue
        assert [column.name for column in shown.columns] == table.schema.names
        for column, told in zip(table.columns, shown.columns, strict=True):
            tags = told.constraints.other
            assert all(len(words) <= FITS for words in tags), "the UI cuts it"
            assert [words for words in column.promises() if words not in tags] == [
                words for words in told.description.split("; ") if words in set(column.promises())
            ]


def test_what_a_run_publishes_is_described_with_the_very_columns(tiny_run) -> None:
    lake = tiny_run.home.lake()
    assert lake.tables() == sorted(set(TABLES) - {"accepted_source", "semantic_ids"})
    for name in lake.tables():
        found = pq.read_schema(lake.current(name).path)
        assert found.names == TABLES[name].schema.names, name
        assert [str(t).replace("element", "item") for t in found.types] == [
            str(t) for t in TABLES[name].schema.types
        ], name


def test_models_are_trained_on_what_one_step_makes() -> None:
    assert tuple(SEQUENCES_TABLES) == OF_SEQUENCES
