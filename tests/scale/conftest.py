"""What the tests of scale start and stop: Spark in local mode, an S3 server, a Postgres server."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.clean import clean as cleaning
from assets.clean import core_interactions as k_core
from assets.clean.raw_lines import RAW_LINES_CHECKS, raw_lines
from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback import refusals as refusing
from assets.ingest import raw_files as raw
from assets.resources import Cleaning, Home, Source, Splitting
from assets.sequences import listed_items as listing
from assets.sequences import sequences
from tests.scale.servers import BUCKET, Postgres, Server, postgres_binaries, s3_server

SHARED = Path(__file__).parents[3] / "shared" / "data"
TABLE_ASSETS = [
    raw.raw_files,
    cleaning.clean,
    raw_lines,
    receiving.events,
    refusing.refusals,
    listing.listed_items,
    uniting.all_interactions,
    k_core.core_interactions,
    sequences.sequences,
]
CHECKS = [
    cleaning.each_file_is_read,
    *cleaning.CLEAN_CHECKS,
    *RAW_LINES_CHECKS,
    *k_core.CORE_CHECKS,
    *receiving.FEEDBACK_CHECKS,
    *refusing.REFUSALS_CHECKS,
    *uniting.UNITED_CHECKS,
    *sequences.SEQUENCES_CHECKS,
]
SPARK_CONF = {"spark.sql.shuffle.partitions": "3", "spark.driver.memory": "2g"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.scale)


def make_tables(
    home: Home, source: Source, split: str = "leave-one-out", checks: bool = True, **cleaning: object
) -> dg.ExecuteInProcessResult:
    """Every table up to the sequences, with its contracts."""
    return dg.materialize(
        [*TABLE_ASSETS, *(CHECKS if checks else [])],
        resources={
            "home": home,
            "source": source,
            "cleaning": Cleaning(**cleaning),
            "splitting": Splitting(split=split),
        },
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


@pytest.fixture(scope="session")
def spark_master() -> Iterator[str]:
    pytest.importorskip("pyspark", reason="the extra spark is not installed")
    yield "local[2]"


@pytest.fixture(scope="session")
def s3_process() -> Iterator[Server]:
    pytest.importorskip("moto", reason="the extra dev-scale is not installed")
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(s3_process: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The address of an empty place on an S3 server; the environment knows how to reach it."""
    for name, value in s3_process.environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A Postgres server."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    if postgres_binaries() is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="nextplay-postgres-", dir="/tmp"))
    server = Postgres(folder)
    server.create()
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The address of an empty database."""
    return postgres.address(f"t{uuid.uuid4().hex}")
