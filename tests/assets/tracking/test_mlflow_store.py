"""MLflow's store appears whole, whenever the process that makes it dies, and outlives a newer MLflow."""

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy

from assets.tracking.tracking import Tracking

KILLED_AT_A_COMMIT = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from assets.tracking.tracking import Tracking

commits = 0

@event.listens_for(Engine, "commit")
def committing(connection):
    global commits
    commits += 1
    if commits == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

Tracking(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("commit", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_store_whose_making_was_killed_is_made_anew(tmp_path: Path, commit: int) -> None:
    command = [sys.executable, "-c", KILLED_AT_A_COMMIT, str(tmp_path), str(commit)]
    done = subprocess.run(command, cwd=Path(__file__).parents[3], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "mlflow.db.new").exists() and not (tmp_path / "mlflow.db").exists()
    with Tracking(tmp_path).run("one", "f") as run:
        run.metrics({"loss": 1.0})
    assert not (tmp_path / "mlflow.db.new").exists()


def test_a_store_of_an_older_mlflow_is_brought_up_to_date_and_keeps_its_experiments(tmp_path: Path) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    engine = sqlalchemy.create_engine(address)
    Base.metadata.create_all(engine)
    config = _get_alembic_config(address)
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    command.upgrade(config, revisions[len(revisions) // 2])
    columns, values = "name, artifact_location, lifecycle_stage", "'old', 'a', 'active'"
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"INSERT INTO experiments ({columns}) VALUES ({values})"))
    engine.dispose()

    client = Tracking(tmp_path)._client
    assert client.get_experiment_by_name("old").artifact_location == "a"
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (revisions[0],)
