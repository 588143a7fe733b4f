"""What is made again after which change: code versions follow from the imports, none is typed."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.state.code import KEEPERS, made_by
from assets.training.architectures import code_of as any_code
from assets.training.blending import code_of
from assets.training.bundling import baseline_code, candidate_code
from assets.training.staging import staged_code
from models.bundle import code
from models.bundle.code import code_version, endpoint_files, files_hash, reached_files

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
    for cached in (code._imports, code._statements, code._read):
        cached.cache_clear()


MADE_BY = {
    "raw files": ("assets.ingest.raw_files",),
    "clean tables": ("assets.clean.clean",),
    "core": ("assets.clean.core_interactions", "assets.engines"),
    "united events": ("assets.feedback.all_interactions",),
    "sequences": ("assets.sequences.sequences", "assets.engines"),
    "leaderboard": ("assets.evaluation.leaderboard",),
    "gate": ("assets.evaluation.gate",),
    "batch": ("assets.release.batch_recommendations",),
}


def versions() -> dict[str, str]:
    candidate_code.cache_clear()
    baseline_code.cache_clear()
    code_of.cache_clear()
    staged_code.cache_clear()
    any_code.cache_clear()
    return {
        **{name: made_by(*modules) for name, modules in MADE_BY.items()},
        "report": code_version("assets.shown.plots") + made_by("assets.evaluation.report"),
        "user state": code_version("serving.state.user_state") + made_by("assets.feedback.user_state"),
        "networks": candidate_code(),
        "blend": code_of("blend"),
        "two stages": any_code("two_stage"),
        "ease": baseline_code("ease"),
        "markov": baseline_code("markov"),
        "endpoint": files_hash(endpoint_files()),
    }


MODELS = {"networks", "ease", "markov", "blend", "two stages"}
JUDGED = {"leaderboard", "gate", "report", "batch"}
CHANGES: list[tuple[str, set[str]]] = [
    ("assets/formats/steam_format.py", {"clean tables"}),
    ("assets/formats/rows.py", {"raw files", "clean tables", "core", "sequences", *JUDGED}),
    ("assets/clean/sql/accepted_plays.sql", {"clean tables"}),
    ("assets/clean/spark_clean.py", {"clean tables"}),
    ("assets/clean/sql/weak_items.sql", {"core"}),
    ("assets/engines/spark.py", {"clean tables", "core", "sequences"}),
    ("assets/sequences/sql/timestamp_quantile.sql", {"sequences"}),
    ("assets/sequences/sql/items.sql", {"sequences", *JUDGED}),
    ("assets/sequences/splitting.py", {"sequences"}),
    ("assets/sequences/loading.py", {*MODELS, *JUDGED}),
    ("models/losses/softmax.py", {"networks", "blend", "two stages", *JUDGED}),
    ("models/networks/sasrec.py", {"networks", "blend", "two stages", *JUDGED}),
    ("models/training/optimizer.py", {"networks", "blend", "two stages", *JUDGED}),
    ("models/data.py", {*MODELS, *JUDGED, "endpoint"}),
    ("assets/training/bundling.py", {*MODELS, *JUDGED}),
    ("models/baselines/ease.py", {"ease", "blend", *JUDGED, "endpoint"}),
    ("models/blend/learning.py", {"blend", *JUDGED}),
    ("models/blend/scorer.py", {"blend", *JUDGED, "endpoint"}),
    ("assets/training/blending.py", {"blend", *JUDGED}),
    ("models/stages/features.py", {"two stages", *JUDGED, "endpoint"}),
    ("models/stages/learning.py", {"two stages"}),
    ("assets/training/staging.py", {"two stages"}),
    ("models/evaluation/gate.py", {"gate", "report"}),
    ("assets/evaluation/reporting/page.py", {"report"}),
    ("assets/shown/plots.py", {"report"}),
    ("serving/state/events_postgres.py", {"endpoint"}),
    ("serving/state/user_state.py", {"user state", "endpoint"}),
    ("serving/demo/style.css", {"endpoint"}),
    ("models/cores.py", {"endpoint"}),
    ("models/mistakes.py", {"endpoint", "report", "user state"}),
    ("assets/state/lake.py", set()),
    ("assets/shown/tables.py", set()),
    ("assets/tracking/tracking.py", set()),
    ("assets/release/retention.py", set()),
    ("pipelines/operator/status.py", set()),
]


@pytest.mark.parametrize("name", MADE_BY)
def test_a_module_states_the_version_that_is_tested_here(name: str) -> None:
    module, *_ = MADE_BY[name]
    assert made_by(*MADE_BY[name]) == importlib.import_module(module).CODE


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
    assert changes == expected


def test_a_network_knows_nothing_of_serving_gate_and_report() -> None:
    """Nor of parsers and statements: tables that come out with the same rows train nothing anew."""
    reached = reached_files(
        "models.training",
        "assets.training.bundling",
        without=(*KEEPERS, "models.baselines"),
        statements=False,
    )
    assert candidate_code() == files_hash(reached)
    files = {path.relative_to(code.ROOT).as_posix() for path in reached}
    assert {"models/losses/softmax.py", "models/networks/sasrec.py", "models/data.py"} <= files
    strangers = ("serving/", "pipelines/", "models/baselines/", "models/opening", "assets/evaluation/",
                 "assets/clean/", "assets/ingest/", "assets/formats/rows")  # fmt: skip
    assert not [file for file in files if file.startswith(strangers) or "gate" in file or "sql" in file]


def test_every_statement_is_named_by_a_file() -> None:
    """A statement that no file names is part of no version, and is called by nobody."""
    named = {path for path in reached_files("assets") if path.suffix == ".sql"}
    assert named == set((code.ROOT / "assets").rglob("*.sql"))


def test_installed_packages_beside_ours_are_not_ours(checkout: Path) -> None:
    """Where the project is installed, its packages lie beside those of others."""
    (checkout / "numpy").mkdir()
    (checkout / "numpy" / "__init__.py").touch()
    _forget_the_imports()
    assert not [path for path in endpoint_files() if "numpy" in path.parts]
    shutil.rmtree(checkout / "numpy")


CLEAN = """
import sys
import dagster as dg
from assets.clean.clean import clean
from assets.ingest.raw_files import raw_files
from assets.resources import Cleaning, Home, Source

resources = {"home": Home(path=sys.argv[1]), "source": Source(sample_size="tiny"), "cleaning": Cleaning()}
assert dg.materialize([raw_files, clean], resources=resources).success
"""


@pytest.mark.slow
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
