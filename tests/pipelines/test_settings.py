"""Every setting is an environment variable; a wrong one is one sentence that names it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import define, defs
from pipelines.resources import GROUPS, Settings, SettingsError, read_settings, resources, training_of
from serving.environment import faults_in_names, names_of, without_effect
from serving.settings import GROUPS as ENDPOINT
from serving.settings import Settings as Endpoint

ROOT = Path(__file__).resolve().parents[2]


def test_environment_reaches_the_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SOURCE": "steam-reviews", "STEAM_LIBRARIES": "/a.gz", "MIN_PLAYTIME": "30", "CORE": "3", "SEED": "7",
        "TABLE": "plays/*.csv", "TABLE_ITEMS": "items.csv", "STEAM_REVIEWS": "/r.gz", "REPEATS": "keep",
        "SPLIT": "temporal", "CUTOFFS": "2017-01-01,2018-01-01",
        "TRAINING": '{"epochs": 3}', "MAX_AGE_DAYS": "9", "HOME": "/tmp/x",
    }.items():  # fmt: skip
        monkeypatch.setenv(f"NEXTPLAY_{name}", value)
    made = resources(read_settings())
    assert (made["source"].name, made["source"].libraries) == ("steam-reviews", "/a.gz")
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
        ("TRAINING", '{"threads": 100000}'),
        ("TRAINING", '{"seed": 99999999999999999999}'),
        ("TRAINING", '{"learning_rate": NaN}'),
        ("TRAINING", '{"epochs": true}'),
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
        pytest.param(
            {"NEXTPLAY_SOURCE": "steam", "NEXTPLAY_STEAM_LIBRARIES": "/no/such/file.gz"},
            "NEXTPLAY_STEAM_LIBRARIES",
            marks=pytest.mark.slow,  # the run begins
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


def mistake(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """The one sentence about these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as told:
        read_settings()
    sentence = str(told.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("NEXTPLAY_REPEAT", "NEXTPLAY_REPEATS"),
        ("nextplay_tabel", "NEXTPLAY_TABLE"),
        ("NEXTPLAY_WORKER", "NEXTPLAY_WORKERS"),
        ("NEXTPLAY_MLFLOW_URL", "NEXTPLAY_MLFLOW_URI"),
        ("NEXTPLAY_QQQ", "nextplay settings"),
    ],
)
def test_a_name_that_is_none_is_told_with_the_nearest(
    name: str, nearest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mistake(monkeypatch, **{name: "1"}).startswith(f"There is no setting {name}: ")
    assert nearest in mistake(monkeypatch, **{name: "1"})


def test_names_of_every_process_are_known_here_and_empty_ones_are_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("nextplay_core", "NEXTPLAY_WORKERS", "NEXTPLAY_UI_PORT", "NEXTPLAY_KEEP_CHAMPIONS"):
        monkeypatch.setenv(name, "3")
    monkeypatch.setenv("NEXTPLAY_API_KEY", "of a client")
    monkeypatch.setenv("NEXTPLAY_NO_SUCH", "")
    monkeypatch.setenv("NEXTPLAY_PORT", "tcp://10.0.0.7:3000")  # by Kubernetes, as are these
    for name in ("SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_3000_TCP_ADDR", "MLFLOW_PORT_5000_TCP"):
        monkeypatch.setenv(f"NEXTPLAY_{name}", "10.0.0.7")
    assert read_settings().core == 3


def test_a_path_that_is_no_utf8_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = mistake(monkeypatch, NEXTPLAY_TABLE="plays\udcff.csv")
    assert told == "NEXTPLAY_TABLE='plays\\udcff.csv' has bytes that are no UTF-8: rename what it names."


def test_a_setting_in_two_cases_has_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    told = mistake(monkeypatch, NEXTPLAY_CORE="3", nextplay_core="5")
    assert told == "NEXTPLAY_CORE and nextplay_core are one setting with two values: unset one of them."


def test_every_name_in_the_repository_is_known() -> None:
    """Docker, Kubernetes, make, the docs and the benchmarks name settings that there are."""
    known = set(names_of(group for group, _ in GROUPS.values()))
    shown = {"NEXTPLAY_", "NEXTPLAY_COMPLETE"}
    folders = ["Makefile", "README.md", "deploy", "benchmarks", "docs", "assets", "pipelines", "serving"]
    for path in (file for name in folders for file in [ROOT / name, *(ROOT / name).rglob("*")]):
        if path.is_file() and path.suffix not in (".pyc", ".png", ".gz"):
            named = set(re.findall(r"NEXTPLAY_[A-Z_]*", path.read_text(encoding="utf-8", errors="replace")))
            assert {name for name in named if not name.endswith("_")} <= known | shown, path


def test_a_near_name_is_never_anothers_setting() -> None:
    """The endpoint knows its own settings alone: those of the pipeline must not look like misspelt ones."""
    names = names_of(group for group, _ in GROUPS.values())
    environment = dict.fromkeys(names, "1")
    assert list(faults_in_names(environment, names_of(ENDPOINT), all_known=False)) == []
    misspelt = dict.fromkeys(["NEXTPLAY_API_KEYZ", "NEXTPLAY_POINTR", "NEXTPLAY_WORKER"], "1")
    assert len(list(faults_in_names(misspelt, names_of(ENDPOINT), all_known=False))) == 3


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"table": "plays.csv"}, "table"),
        ({"table_items": "items.csv"}, "table"),
        ({"steam_libraries": "a.gz"}, "steam"),
        ({"steam_reviews": "a.gz", "steam_games": "b.gz"}, "steam-reviews"),
        ({"steam_games": "b.gz"}, "sample"),
        ({"table": "plays.csv", "source": "sample"}, "sample"),
        ({}, "sample"),
    ],
)
def test_what_one_source_reads_chooses_it(given: dict[str, str], source: str) -> None:
    assert Settings(**given).source == source


def test_what_two_sources_read_chooses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    told = mistake(monkeypatch, NEXTPLAY_TABLE="a.csv", NEXTPLAY_STEAM_LIBRARIES="b.gz")
    assert "NEXTPLAY_TABLE" in told and "NEXTPLAY_STEAM_LIBRARIES" in told and "set NEXTPLAY_SOURCE" in told


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"source": "steam", "table": "a.csv"}, "NEXTPLAY_TABLE has no effect with NEXTPLAY_SOURCE=steam"),
        (
            {"source": "table", "sample_size": "tiny"},
            "it needs NEXTPLAY_SOURCE=sample or sample-dated or sample-repeats",
        ),
        ({"source": "table", "sample_seed": 3}, "NEXTPLAY_SAMPLE_SEED"),
        ({"steam_games": "a.gz"}, "it needs NEXTPLAY_SOURCE=steam or steam-reviews"),
        ({"source": "sample", "steam_reviews": "a.gz"}, "NEXTPLAY_STEAM_REVIEWS"),
        ({"cutoffs": "0.5,0.6"}, "NEXTPLAY_CUTOFFS has no effect with NEXTPLAY_SOURCE=sample"),
        (
            {"cutoffs": "0.5,0.6", "source": "sample-dated", "split": "leave-one-out"},
            "NEXTPLAY_CUTOFFS has no effect with NEXTPLAY_SPLIT=leave-one-out",
        ),
        ({"spark_master": "local[2]"}, "NEXTPLAY_SPARK_MASTER has no effect with NEXTPLAY_ENGINE=duckdb"),
        ({"spark_conf": '{"a": "b"}'}, "NEXTPLAY_SPARK_CONF"),
        (
            {"rerank": '{"diversity": 0.3}', "candidates": "sasrec"},
            "NEXTPLAY_RERANK has no effect with NEXTPLAY_CANDIDATES=sasrec; it needs NEXTPLAY_CANDIDATES=",
        ),
        (
            {"semantic_ids": "rqvae", "candidates": "sasrec"},
            "NEXTPLAY_SEMANTIC_IDS has no effect with NEXTPLAY_CANDIDATES=sasrec; it needs "
            'NEXTPLAY_CANDIDATES=tiger or NEXTPLAY_TRAINING={"codes": true}.',
        ),
        (
            {"min_playtime": 30, "source": "table"},
            "NEXTPLAY_MIN_PLAYTIME has no effect with NEXTPLAY_SOURCE=table; it needs "
            "NEXTPLAY_SOURCE=sample or steam.",
        ),
    ],
)
def test_what_has_no_effect_is_told(given: dict[str, object], named: str) -> None:
    (told,) = without_effect(Settings(**given))
    assert named in told and told.endswith(".")


def test_what_has_an_effect_or_is_the_default_is_not_told() -> None:
    for given in (
        {"source": "table", "table": "a.csv", "table_items": "b.csv"},
        {"source": "sample-dated", "split": "temporal", "cutoffs": "0.5,0.6", "sample_size": "tiny"},
        {"engine": "spark", "spark_master": "local[2]"},
        {"cutoffs": "0.8,0.9", "spark_conf": "{}"},
        {"rerank": '{"diversity": 0.3}', "candidates": "sasrec,two_stage"},
        {"semantic_ids": "rqvae", "candidates": "sasrec,tiger"},
        {"semantic_ids": "rqvae", "candidates": "sasrec", "training": '{"codes": true}'},
        {"min_playtime": 30, "source": "steam"},
    ):
        assert list(without_effect(Settings(**given))) == []
    assert list(without_effect(Endpoint(impressions=False))) == [
        "NEXTPLAY_IMPRESSIONS has no effect without NEXTPLAY_EVENTS."
    ]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("TIMEZONE", "Mars/Phobos", "Europe/Berlin"),
        ("TIMEZONE", "../etc", "time zone"),
        ("NIGHTLY", "61 2 * * *", "61 is no minute that cron knows: give 0 to 59"),
        ("NIGHTLY", "0 2 * 13 *", "13 is no month that cron knows: give 1 to 12"),
        ("NIGHTLY", "0 24 * * *", "24 is no hour that cron knows: give 0 to 23"),
        ("NIGHTLY", "0 2 * *", "five fields"),
        ("WATCH", "hourly", "five fields"),
        ("MEMORY_LIMIT", "lots", "2GB"),
        ("MEMORY_LIMIT", "1KB", "less than 64MB"),
        ("MEMORY_LIMIT", "-1", "2GB"),
        ("MEMORY_LIMIT", "120%", "80%"),
        ("CANDIDATES", "gru4rec,sasrex", "did you mean sasrec"),
        ("CANDIDATES", " , ", "it names no candidate"),
        ("SOURCE", "tabel", "did you mean table"),
        ("SAMPLE_SIZE", "small", "tiny"),
        ("SAMPLE_SEED", "-1", "greater than or equal to 0"),
        ("TRAINING", '{"epoch": 3}', "did you mean epochs"),
        ("TRAINING", '{"epochs": "3"}', "whole number"),
        ("TRAINING", '{"threads": "3"}', "threads"),
        ("TRAINING", '{"network": {"width": 8}}', "network"),
        ("TRAINING", '{"dropout": NaN}', "below 1"),
        (
            "TRAINING",
            '{"epochs": 1, "epochs": 5}',
            '"epochs": 1 and "epochs": 5, one setting with two values',
        ),
        ("COLUMNS", '{"user_id": "a", "user_id": "b"}', '"user_id": "a" and "user_id": "b"'),
        ("SPARK_CONF", '{"a.b": "1", "a.b": "2"}', '"a.b": "1" and "a.b": "2"'),
        ("TRAINING", "[]", 'give a JSON object, such as {"epochs": 5}'),
        ("TRAINING", "{epochs: 1}", 'give a JSON object, such as {"epochs": 5}'),
        ("COLUMNS", "user_id", 'give a JSON object, such as {"user_id": "customer"}'),
        ("COLUMNS", "3", 'give a JSON object, such as {"user_id": "customer"}'),
        ("SPARK_CONF", '{"a": 1}', "at a"),
        ("CORE", "1e30", "whole number"),
        ("CORE", "9" * 40, "9007199254740992"),
        ("MAX_AGE_DAYS", "inf", "36500"),
        ("MIN_COVERAGE", "nan", "1"),
        ("PROGRESS", "maybe", "true or false"),
        ("UI_PORT", "abc", "whole number"),
        ("MLFLOW_PORT", "70000", "65535"),
        ("DEMO_PORT", "-1", "0"),
        ("LAKE", "my/lake", "absolute path"),
        ("EVENTS", "mysql://host/db", "postgresql://"),
        ("HOME", "a?b", "question mark"),
        ("HOME", "a\nb", "printed"),
        ("HOME", "~no-such-user-here/a", "nobody of that name"),
    ],
)
def test_a_value_that_cannot_be_is_told_before_a_run(
    name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = mistake(monkeypatch, **{f"NEXTPLAY_{name}": value})
    assert told.startswith(f"NEXTPLAY_{name}") and allowed in told
    assert value.split("\n", maxsplit=1)[0][:20] in told or name == "SPARK_CONF"


@pytest.mark.parametrize("name", ["ALERT_WEBHOOK", "DATABASE"])
def test_a_wrong_secret_is_not_shown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = mistake(monkeypatch, **{f"NEXTPLAY_{name}": "hidden-word"})
    assert told.startswith(f"NEXTPLAY_{name}=***: give an address") and "hidden-word" not in told


@pytest.mark.parametrize(
    "address",
    [
        *(
            f"ada:hidden{between}word@db/nextplay"
            for between in ("/", "@", "#", "%", " ", "\n", "%00", "%ff")
        ),
        *(f"db/nextplay?password=hidden{between}word" for between in ("@", "%", " ", "%00", "%ff")),
    ],
)
def test_a_password_that_would_be_torn_apart_is_refused_and_not_shown(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads the address takes pieces of it for a host or a port, or refuses it: its messages name it."""
    told = mistake(monkeypatch, NEXTPLAY_DATABASE=f"postgresql://{address}")
    assert told.startswith("NEXTPLAY_DATABASE=***: the address is not clear") and "hidden" not in told
    monkeypatch.setenv("NEXTPLAY_DATABASE", "postgresql://ada:hidden%2Fword@db.example/nextplay")
    read_settings()


def test_a_split_by_time_needs_times(monkeypatch: pytest.MonkeyPatch) -> None:
    told = mistake(monkeypatch, NEXTPLAY_SPLIT="temporal", NEXTPLAY_SOURCE="steam")
    assert told.startswith("NEXTPLAY_SPLIT=temporal needs plays with a time, and the source steam has none")
    assert "sample-dated" in told


def test_seed_and_threads_may_stand_among_the_changes_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_TRAINING", '{"epochs": 2, "threads": 1, "seed": 3}')
    made = training_of(read_settings())
    assert (made.seed, made.threads, made.changes) == (3, 1, {"epochs": 2})
    monkeypatch.setenv("NEXTPLAY_SEED", "3")
    assert training_of(read_settings()).seed == 3
    told = mistake(monkeypatch, NEXTPLAY_SEED="4")
    assert told.startswith(
        "NEXTPLAY_SEED=4 and NEXTPLAY_TRAINING with seed=3 are one setting with two values"
    )


def test_what_is_said_twice_and_alike_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_TRAINING", '{"epochs": 2, "epochs": 2}')
    assert read_settings().training == {"epochs": 2}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (
            {"MASTER": "local[2]", "REMOTE": "sc://a:15002"},
            ("SPARK_MASTER=local[2]", "SPARK_REMOTE=sc://a:15002"),
        ),
        (
            {"MASTER": "local[2]", "CONF": '{"spark.master": "local[4]"}'},
            ("SPARK_MASTER=local[2]", "SPARK_CONF with spark.master=local[4]"),
        ),
        (
            {"REMOTE": "sc://a:15002", "CONF": '{"spark.remote": "sc://b:15002"}'},
            ("SPARK_REMOTE=sc://a:15002", "SPARK_CONF with spark.remote=sc://b:15002"),
        ),
    ],
)
def test_where_spark_runs_is_said_once(
    given: dict[str, str], named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {f"NEXTPLAY_SPARK_{name}": value for name, value in given.items()}
    told = mistake(monkeypatch, NEXTPLAY_ENGINE="spark", **variables)
    assert all(name in told for name in named) and "leave all but one of them out" in told


def test_names_of_networks_may_have_blanks_and_repeat() -> None:
    assert Settings(candidates=" sasrec, gru4rec,sasrec").candidates == "sasrec,gru4rec"


def test_a_path_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Settings(home="~/state", events="~/events.db")
    assert (made.home, made.events) == (tmp_path / "state", f"{tmp_path}/events.db")
    assert Endpoint(pointer="~/p.json", cache="~/c").pointer == tmp_path / "p.json"


def test_bars_are_for_those_who_look_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Settings().shows_progress  # of tests, whose standard error is a file
    assert Settings(progress=True).shows_progress
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert Settings().shows_progress and not Settings(progress=False).shows_progress
