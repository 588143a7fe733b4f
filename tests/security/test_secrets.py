"""Planted secrets reach nothing that a run writes or says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from assets.resources import Home
from tests.support.runs import ENVIRONMENT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {
    "NEXTPLAY_ALERT_WEBHOOK": "http://127.0.0.1:9/hook-of-nobody-else",
    "NEXTPLAY_API_KEYS": "key-of-nobody-else",
}
MARKS = (b"hook-of-nobody-else", b"key-of-nobody-else")


def test_a_run_and_its_status_tell_no_secret(home: Home) -> None:
    shutil.rmtree(home.folder("lake", "tables", "gate"))  # so that the run judges, packs and publishes anew
    shutil.rmtree(home.folder("bentoml"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    environment = inherited | SECRETS | {
        "DAGSTER_HOME": str(home.folder("dagster")),
        "NEXTPLAY_HOME": home.path,
        **ENVIRONMENT,
    }  # fmt: skip
    for command in ("run", "status"):
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.operator.cli", command],
            env=environment, cwd=ROOT, capture_output=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        assert not any(mark in done.stdout + done.stderr for mark in MARKS), command
    files = [path for path in Path(home.path).rglob("*") if path.is_file()]
    assert len(files) > 50
    assert [str(path) for path in files if any(mark in path.read_bytes() for mark in MARKS)] == []


def test_settings_show_no_secret() -> None:
    from pipelines.definitions import define
    from pipelines.resources import Settings

    settings = Settings(alert_webhook=SECRETS["NEXTPLAY_ALERT_WEBHOOK"])
    assert "nobody-else" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert "nobody-else" not in repr(define(settings))
