"""What Dagster is told of, by the settings."""

import dagster as dg

from models.networks import NETWORKS
from models.stages.names import STAGED
from pipelines.factory import define
from pipelines.resources import Settings

BERT4REC = dg.AssetKey("bert4rec")


def test_a_network_that_is_no_candidate_is_shown_and_made_by_no_run() -> None:
    """Green would say that it was trained."""
    definitions = define(Settings(source="sample", candidates="gru4rec,sasrec"))
    shown = definitions.resolve_asset_graph().get(BERT4REC)
    assert not shown.is_executable
    assert shown.description.startswith("BERT4Rec: self-attention in both directions")
    assert shown.description.endswith("It is not trained, as NEXTPLAY_CANDIDATES does not name it.")
    made = definitions.resolve_job_def("everything").asset_layer.selected_asset_keys
    assert BERT4REC not in made and dg.AssetKey("sasrec") in made and dg.AssetKey("leaderboard") in made


def test_every_candidate_is_made() -> None:
    names = [*NETWORKS, *STAGED]
    graph = define(Settings(source="sample", candidates=",".join(names))).resolve_asset_graph()
    assert all(graph.get(dg.AssetKey(name)).is_executable for name in names)
    assert "NEXTPLAY_CANDIDATES" not in graph.get(BERT4REC).description


def test_what_retrieves_for_a_candidate_is_trained_for_it() -> None:
    graph = define(Settings(source="sample", candidates="two_stage")).resolve_asset_graph()
    made = {"two_stage", "two_towers"}
    asked = {*NETWORKS, *STAGED}
    assert {name for name in asked if graph.get(dg.AssetKey(name)).is_executable} == made


def test_every_job_and_asset_says_what_it_is_for() -> None:
    definitions = define(Settings(source="sample"))
    jobs = definitions.jobs or []
    assert {job.name for job in jobs} >= {
        "everything",
        "watch",
        "promote",
        "rollback",
        "prune",
        "status",
        "backup",
    }
    assert [job.name for job in jobs if not job.description] == []
    graph = definitions.resolve_asset_graph()
    assert [key for key in graph.get_all_asset_keys() if not graph.get(key).description] == []
