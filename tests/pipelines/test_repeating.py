"""The whole pipeline where things are played again: what is decided at the start holds to the endpoint."""

from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from assets.evaluation.leaderboard import leaderboard_rows
from assets.resources import Home
from models.bundle.bundle import read_manifest
from pipelines.definitions import define
from pipelines.resources import Settings
from serving.app import create_app
from serving.settings import Settings as Endpoint
from serving.state.pointer import read_pointer


@pytest.mark.slow
def test_seen_items_are_answers_from_the_split_to_the_endpoint(tmp_path: Path) -> None:
    settings = Settings(
        home=tmp_path, source="sample-repeats", sample_size="tiny", training='{"epochs": 2}', progress=False
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = define(settings).resolve_job_def("everything")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    assert [e.check_name for e in result.get_asset_check_evaluations() if not e.passed] == []
    home = Home(path=str(tmp_path))
    lake = home.lake()
    assert not pq.read_table(lake.current("split").path)["exclude_seen"][0].as_py()
    ndcg = {row["model"]: row["ndcg_at_10"] for row in leaderboard_rows(lake)}
    assert max(ndcg, key=lambda model: ndcg[model]) == "optimum"
    assert ndcg["most_recent"] > ndcg["markov"] > ndcg["popularity"]
    pointer = read_pointer(home.pointer_file)
    assert pointer is not None
    assert not read_manifest(pointer.folder(home.pointer_file)).exclude_seen

    batch = pq.read_table(lake.current("batch_recommendations").path, columns=["user_id", "item_id"])
    given = set(zip(*(batch[name].to_pylist() for name in batch.column_names), strict=True))
    with lake.connect("sequences", "items") as connection:
        played = connection.execute("SELECT user_id, item_id FROM sequences JOIN items USING (item_index)")
        assert given & set(played.fetchall())

    history = [item for user, item in sorted(given) if user == batch["user_id"][0].as_py()][:5]
    with TestClient(create_app(Endpoint(pointer=home.pointer_file, demo=True))) as client:

        def answered(**more: object) -> set[str]:
            answer = client.post("/recommend", json={"history": history, "k": 50, **more}).json()
            return {item["item_id"] for item in answer["items"]} & set(history)

        assert answered() == answered(exclude_seen=False) == set(history)
        assert not answered(exclude_seen=True)
        columns = client.post("/compare", json={"history": history, "k": 20}).json()["columns"]
        assert all({item["item_id"] for item in column["items"]} & set(history) for column in columns)
