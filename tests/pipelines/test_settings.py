"""Every setting is an environment variable; a wrong one is one sentence that names it."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import define, defs
from pipelines.resources import Settings, SettingsError, read_settings, resources

ROOT = Path(__file__).resolve().parents[2]


def test_environment_reaches_the_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SOURCE": "steam", "STEAM_LIBRARIES": "/a.gz", "MIN_PLAYTIME": "30", "CORE": "3", "SEED": "7",
        "TABLE": "plays/*.csv", "TABLE_ITEMS": "items.csv", "STEAM_REVIEWS": "/r.gz", "REPEATS": "keep",
        "SPLIT": "temporal", "CUTOFFS": "2017-01-01,2018-01-01",
        "TRAINING": '{"epochs": 3}', "MAX_AGE_DAYS": "9", "HOME": "/tmp/x",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"NEXTPLAY_{name}", value)
    made = resources(read_settings())
    assert (made["source"].name, made["source"].libraries) == ("steam", "/a.gz")
    assert (made["source"].table, made["source"].table_items) == ("plays/*.csv", "items.csv")
    assert (made["source"].reviews, made["cleaning"].repeats) == ("/r.gz", "keep")
    assert made["splitting"].split == "temporal"
    assert made["splitting"].cutoffs == "2017-01-01,2018-01-01"
    assert (made["cleaning"].min_playtime, made["cleaning"].core) == (30, 3)
    assert (made["training"].seed, made["training"].changes) == (7, {"epochs": 3})
    assert made["gate_policy"].max_age_days == 9.0 and made["home"].path == "/tmp/x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORE", "0"),
        ("MIN_PLAYTIME", "an hour"),
        ("TRAINING", "epochs=3"),
        ("MAX_AGE_DAYS", "-1"),
        ("REPEATS", "last"),
        ("SPLIT", "random"),
        ("CUTOFFS", "0.9,0.8"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"NEXTPLAY_{name}", value)
    try:
        read_settings()
    except SettingsError as error:
        assert f"NEXTPLAY_{name}" in str(error) and "\n" not in str(error)
    else:
        pytest.fail("the value was taken")


def test_dagster_can_load_all_jobs_together() -> None:
    """As `make ui` does; a job alone can be resolved though another has an op of the same name."""
    repository = defs.get_repository_def()
    names = {job.name for job in repository.get_all_jobs()}
    assert names >= {"everything", "watch", "events_of_a_day", "promote", "rollback", "status", "simulation"}


def test_the_schedule_runs_everything_at_half_past_two_in_the_zone_that_is_set() -> None:
    definitions = define(Settings(timezone="Australia/Sydney"))
    schedule = definitions.resolve_schedule_def("nightly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 2 * * *", "Australia/Sydney")
    assert schedule.job_name == "everything"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"NEXTPLAY_CORE": "none"}, "NEXTPLAY_CORE"),
        ({"NEXTPLAY_SOURCE": "netflix"}, "netflix"),
        (
            {"NEXTPLAY_SOURCE": "steam", "NEXTPLAY_STEAM_LIBRARIES": "/no/such/file.gz"},
            "NEXTPLAY_STEAM_LIBRARIES",
        ),
    ],
)
def test_a_mistake_ends_the_run_with_a_sentence_and_no_stack_trace(
    variables: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "dagster").mkdir()
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path / "dagster"), "NEXTPLAY_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.run"],
        env=environment | variables, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert sentence in done.stderr and "Traceback" not in done.stderr
