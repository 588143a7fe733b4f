"""docs/architecture.md names every asset, with the room and the file that really make it."""

import re
from pathlib import Path

from dagster import AssetKey
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from models.networks import NETWORKS
from models.stages.names import STAGED
from pipelines.factory import define
from pipelines.resources import Settings
from pipelines.simulation.job import simulation

defs = define(
    Settings(candidates=",".join([*NETWORKS, *STAGED])), simulation
)  # all are trained, so each shows its file
ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| \[(\S+)\]\((\S+)\) \|", re.MULTILINE)


def test_the_table_of_assets_is_that_of_dagster() -> None:
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    graph = defs.resolve_asset_graph()
    made = {
        (key.to_user_string(), graph.get(key).group_name, _file(key)) for key in graph.get_all_asset_keys()
    }
    assert {(name, group, file) for name, group, file, _ in rows} == made
    assert len(rows) == len(made)


def test_the_links_of_the_table_are_its_files() -> None:
    rows = ROW.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert [link for *_, link in rows] == [f"../{file}" for _, _, file, _ in rows]


def _file(key: AssetKey) -> str:
    """The file of an asset's function; of one that is only described, the one file that describes it."""
    node = defs.resolve_asset_graph().get(key)
    if node.is_executable:
        compute = node.assets_def.op.compute_fn
        assert isinstance(compute, DecoratedOpFunction)
        function = compute.decorated_fn
        return Path(function.__code__.co_filename).relative_to(ROOT).as_posix()
    name = f'AssetSpec(\n    "{key.to_user_string()}"'
    (file,) = (path for path in (ROOT / "assets").rglob("*.py") if name in path.read_text(encoding="utf-8"))
    return file.relative_to(ROOT).as_posix()
