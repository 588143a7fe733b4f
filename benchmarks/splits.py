"""The leave-one-out splits of the shared real data, made by the pipeline and kept in `.bench`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.resources import Settings

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
CACHE = ROOT / ".bench"
sys.path.insert(0, str(ROOT / "benchmarks" / "contenders"))

STEAM = {
    "source": "steam",
    "steam_libraries": DATA / "steam" / "australian_users_items.part.json.gz",
    "steam_games": DATA / "steam" / "steam_games.json.gz",
}
AMAZON = {"source": "table", "table": DATA / "amazon_games" / "interactions.csv.gz"}
SAMPLE = {"source": "sample"}
BEAUTY = {"source": "table", "table": DATA / "beauty" / "interactions.csv.gz"}
DATA_SETS = {
    "sample": SAMPLE,
    "steam": STEAM,
    "beauty": BEAUTY,
    "amazon5": AMAZON,
    "amazon": {**AMAZON, "core": 1},
}
TITLES = {
    "sample": "the built-in sample",
    "steam": "partial Steam, 5-core",
    "beauty": "Amazon beauty, 5-core",
    "amazon5": "Amazon games, 5-core",
    "amazon": "Amazon games",
}


def split_file(name: str) -> Path:
    """The split of one data set as .npz; made where it is missing."""
    path = CACHE / f"{name}.npz"
    if not path.exists():
        _make(name, path)
    return path


def _make(name: str, path: Path) -> None:
    """Slow to import, so imported here: where the file is there, nobody waits."""
    from common import save_split

    from assets.resources import Home
    from assets.sequences.loading import load_split
    from pipelines.resources import Settings, resources

    values: dict[str, Any] = {
        key: str(value) if isinstance(value, Path) else value for key, value in DATA_SETS[name].items()
    }
    settings = Settings(home=CACHE / name, progress=False, **values)
    _tables(settings)
    home = resources(settings)["home"]
    assert isinstance(home, Home)
    save_split(path, load_split(home.lake()))


def _tables(settings: "Settings") -> None:
    """The pipeline up to the split, checks included."""
    import dagster as dg

    from pipelines.definitions import define

    definitions = define(settings)
    wanted = (
        dg.AssetSelection.assets("items", "sequences", "split").upstream().required_multi_asset_neighbors()
    )
    keys = list(wanted.resolve(definitions.resolve_asset_graph()))
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("everything")
        job.execute_in_process(instance=instance, asset_selection=keys)
