"""The whole pipeline on a dated source, split in time."""

from pathlib import Path

import dagster as dg
import pytest

from assets.evaluation.leaderboard import leaderboard_rows, unseen_users
from assets.resources import Home
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


def test_users_unseen_in_training_are_shown_apart(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    tables = {
        "split": "SELECT {n} AS unseen_in_training",
        "sequences": "FROM (VALUES ('old', 'train'), ('old', 'test'), ('new', 'context'), ('new', 'test')) "
        "AS t (user_id, split)",
        "test_ranks": "FROM (VALUES ('m', 'old', 1), ('m', 'new', 11)) AS t (model, user_id, rank)",
    }

    def publish(n: int) -> None:
        for table, query in tables.items():

            def write(path: Path, query: str = query.format(n=n)) -> None:
                with home.lake().connect() as connection:
                    write_parquet(connection, query, path)

            home.lake().publish(table, fingerprint(table, n), write)

    publish(0)
    assert unseen_users(home.lake()) == {}
    publish(1)
    told = str(unseen_users(home.lake())["users unseen in training"].value)
    assert "| m | seen in training | 1 | 1.0 |" in told
    assert "| m | unseen in training | 1 | 0.0 |" in told
