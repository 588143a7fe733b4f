"""The whole pipeline on a dated source, split in time."""

from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.evaluation.cohorts import cohort_rows, cohorts_markdown, cohorts_of, first_play_rows
from assets.evaluation.leaderboard import leaderboard_rows
from assets.resources import Home
from assets.sequences.loading import load_split
from assets.state.lake import fingerprint, write_parquet
from models.bundle.bundle import read_manifest
from pipelines.definitions import define
from pipelines.resources import Settings
from serving.state.pointer import read_pointer


@pytest.mark.slow
def test_a_dated_source_split_in_time_ends_with_a_champion(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, source="sample-dated", sample_size="tiny", split="temporal", cutoffs="0.7,0.85",
        training='{"epochs": 1}', progress=False,
    )  # fmt: skip
    job = define(settings).resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    home = Home(path=str(tmp_path))
    pointer = read_pointer(home.pointer_file)
    assert pointer is not None
    assert read_manifest(pointer.folder(home.pointer_file)).split == "temporal (0.7,0.85)"
    assert leaderboard_rows(home.lake())[0]["model"] == "optimum"
    (event,) = [
        e for e in result.get_asset_materialization_events() if e.asset_key.to_user_string() == "leaderboard"
    ]
    assert str(event.materialization.metadata["split"].value).startswith(
        "temporal (0.7,0.85), full catalogue"
    )


def test_known_and_new_are_shown_apart(tmp_path: Path) -> None:
    """By hand: of six days the last three are tested; `old` is trained on, `new` and `late` are not.

    Trained on are a and b; on the fifth day `old` plays c, which is new, and `new` b; `late` plays once.
    """
    home, day = Home(path=str(tmp_path)), 86_400
    parts = [("late", [("b", 6)]), ("new", [("a", 4), ("b", 5)]), ("old", [("a", 1), ("b", 2), ("c", 5)])]
    played = [
        (user, n, item, 10**9 + on * day) for user, plays in parts for n, (item, on) in enumerate(plays)
    ]
    cut = 10**9 + 4 * day
    values = ", ".join(
        f"({[u for u, _ in parts].index(user)}, '{user}', {n}, {' abc'.index(item)}, "
        f"'{'train' if time < cut else 'test' if n else 'context'}', {time}::BIGINT)"
        for user, n, item, time in played
    )
    tables = {
        "split": f"SELECT 'temporal (x)' AS name, {cut} AS test_from, {cut} AS validation_from, "
        "true AS exclude_seen",
        "sequences": f"FROM (VALUES {values}) "
        "AS t (user_index, user_id, position, item_index, split, timestamp)",
        "items": "SELECT unnest([1, 2, 3])::INTEGER AS item_index, unnest(['a', 'b', 'c']) AS item_id, "
        "unnest(['a', 'b', 'c']) AS title, unnest([1, 1, 0])::INTEGER AS count, NULL::VARCHAR[] AS genres, "
        "NULL::VARCHAR[] AS tags, NULL::DOUBLE AS price, NULL::DATE AS release_date, "
        "NULL::BOOLEAN AS early_access, NULL::VARCHAR AS attributes",
    }
    for table, query in tables.items():

        def write(path: Path, query: str = query) -> None:
            with home.lake().connect() as connection:
                write_parquet(connection, query, path)

        home.lake().publish(table, fingerprint(table), write)
    lake, test = home.lake(), load_split(home.lake()).test
    assert [(int(u), int(i)) for u, i in zip(test.users, test.targets, strict=True)] == [(1, 2), (2, 3)]
    users = np.array(["new", "old"])
    made = pa.concat_tables(
        [cohort_rows("m", np.array([11, 1], np.int32), users, cohorts_of(lake, test)), first_play_rows(lake)]
    )
    told = cohorts_markdown(made.to_pylist(), ["m"])
    assert told.splitlines()[2:] == [
        "| user: known from training | m | 1 | 1 | 1.0000 | – |",
        "| user: new | m | 1 | 1 | 0.0000 | – |",
        "| user: new, at the first play | popularity | 2 | 2 | 0.6309 | 0.6309\u00a0to\u00a00.6309 |",
        "| item: known from training | m | 1 | 1 | 0.0000 | – |",
        "| item: new | m | 1 | 1 | 1.0000 | – |",
        "| days since the cut: 0 to 1 | m | 2 | 2 | 0.5000 | 0.0000\u00a0to\u00a01.0000 |",
    ]
