"""What is made again after which change: code versions follow from the imports, none is typed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.state.code import made_by
from assets.training.bundling import baseline_code, candidate_code
from models.bundle import code
from models.bundle.code import endpoint_files, files_hash, reached_files

ROOT = code.ROOT
ROOMS = ("assets", "models", "serving", "pipelines")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the project's code that may be changed; versions are those of the copy."""
    folder = tmp_path_factory.mktemp("checkout")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "ROOT", folder)
        patch.setattr(code, "ASSETS", folder / "assets")
        _forget_the_imports()
        yield folder
    _forget_the_imports()


def _forget_the_imports() -> None:
    for cached in (code._imports, code._statements, code._all_statements, code._parsed):
        cached.cache_clear()


def versions() -> dict[str, str]:
    candidate_code.cache_clear()
    baseline_code.cache_clear()
    assets = {
        name: made_by(f"assets.{module}")
        for name, module in {
            "raw files": "ingest.raw_files",
            "clean tables": "clean.clean",
            "core": "clean.core_interactions",
            "united events": "feedback.all_interactions",
            "sequences": "sequences.sequences",
            "leaderboard": "evaluation.leaderboard",
            "gate": "evaluation.gate",
            "report": "evaluation.report",
        }.items()
    }
    bundles = {"networks": candidate_code(), "ease": baseline_code("ease"), "markov": baseline_code("markov")}
    return {**assets, **bundles, "endpoint": files_hash(endpoint_files())}


MODELS = {"networks", "ease", "markov"}
CHANGES = [
    ("assets/formats/steam_format.py", {"clean tables"}),
    ("assets/clean/sql/accepted_plays.sql", {"clean tables"}),
    ("assets/clean/sql/weak_items.sql", {"core"}),
    ("assets/engines/spark.py", {"clean tables"}),
    ("assets/clean/spark_clean.py", {"clean tables"}),
    ("assets/sequences/sql/timestamp_quantile.sql", {"sequences"}),
    ("assets/sequences/splitting.py", {"sequences"}),
    ("models/losses/softmax.py", {"networks"}),
    ("models/networks/sasrec.py", {"networks"}),
    ("models/training/optimizer.py", {"networks"}),
    ("assets/training/bundling.py", MODELS),
    ("models/baselines/ease.py", {"ease", "endpoint"}),
    ("models/evaluation/gate.py", {"gate", "report"}),
    ("assets/evaluation/reporting/page.py", {"report"}),
    ("serving/state/events_postgres.py", {"endpoint"}),
    ("serving/demo/style.css", {"endpoint"}),
    ("assets/state/lake.py", set()),
    ("assets/shown/tables.py", set()),
    ("assets/tracking/tracking.py", set()),
    ("assets/release/retention.py", set()),
    ("pipelines/operator/status.py", set()),
]


@pytest.mark.parametrize(("changed", "expected"), CHANGES, ids=[path for path, _ in CHANGES])
def test_a_change_makes_anew_what_it_makes_and_nothing_else(
    checkout: Path, changed: str, expected: set[str]
) -> None:
    before, text = versions(), (checkout / changed).read_bytes()
    comment = {".sql": "-- another", ".css": "/* another */"}.get(Path(changed).suffix, "# another")
    (checkout / changed).write_bytes(text + f"\n{comment}\n".encode())
    after = versions()
    (checkout / changed).write_bytes(text)
    changes = {name for name, version in after.items() if version != before[name]}
    if expected & MODELS:  # the leaderboard, the gate and the report read models: they may follow
        changes -= {"leaderboard", "gate", "report"}
    assert changes == expected


def test_a_network_knows_nothing_of_serving_gate_and_report() -> None:
    files = {path.relative_to(code.ROOT).as_posix() for path in reached_files("models.training")}
    assert {"models/losses/softmax.py", "models/networks/sasrec.py", "models/data.py"} <= files
    strangers = ("serving/", "assets/", "pipelines/", "models/baselines/", "models/opening")
    assert not [file for file in files if file.startswith(strangers) or "gate" in file]


def test_every_statement_is_named_by_a_file() -> None:
    """A statement that no file names is part of no version, and is called by nobody."""
    named = {path for path in reached_files("assets") if path.suffix == ".sql"}
    assert named == set((code.ROOT / "assets").rglob("*.sql"))


CLEAN = """
import sys
import dagster as dg
from assets.clean.clean import clean
from assets.ingest.raw_files import raw_files
from assets.resources import Cleaning, Home, Source

resources = {"home": Home(path=sys.argv[1]), "source": Source(sample_size="tiny"), "cleaning": Cleaning()}
assert dg.materialize([raw_files, clean], resources=resources).success
"""


def test_a_changed_parser_is_seen_in_the_rows(checkout: Path, tmp_path: Path) -> None:
    """A parser that halves what was played: the tables are made anew, not republished."""
    home = tmp_path / "home"

    def longest_play() -> int:
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        command = [sys.executable, "-c", CLEAN, str(home)]
        subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True)
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
            (longest,) = connection.execute("SELECT max(playtime) FROM interactions").fetchone() or (0,)
        return int(longest)

    before = longest_play()
    parser = checkout / "assets" / "formats" / "steam_format.py"
    text = parser.read_text()
    assert "rows.game, rows.playtime, list" in text
    parser.write_text(text.replace("rows.game, rows.playtime, list", "rows.game, rows.playtime // 2, list"))
    assert longest_play() == before // 2
    parser.write_text(text)
