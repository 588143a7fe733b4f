"""Time travel in small: a few nights with every fault, and what is made of the days that they judge."""

import csv
import os
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from safetensors.numpy import load_file

from assets.resources import Home
from assets.sample.days import Day, play_days
from assets.sample.process import SampleProcess
from models.bundle.bundle import WEIGHTS_FILE
from pipelines.simulation import job
from pipelines.simulation.faults import _spoil, killed_in_training, nan_candidates, truncated_file
from pipelines.simulation.judging import OPTIMUM, JudgedDay, item_table, judge, mean_over
from pipelines.simulation.nights import Night, Plan, champion, run_job
from pipelines.simulation.picture import nights_table, periods, table
from pipelines.simulation.records import DAYS_FILE, NIGHTS_FILE, PAGE_FILE, write_records
from pipelines.simulation.scenario import NEVER, NIGHTLY, WEEKLY, Outcome, Scenario
from pipelines.simulation.source import date_of, send_events, times, write_catalogue, write_history
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore


def judged(number: int, players: list[int], **ndcg: list[float]) -> JudgedDay:
    return JudgedDay(number, np.array(players), {way: np.array(values) for way, values in ndcg.items()})


@pytest.fixture
def outcome() -> Outcome:
    rng = np.random.default_rng(0)
    level = {NIGHTLY: 0.5, WEEKLY: 0.4, NEVER: 0.3, OPTIMUM: 0.6}
    days = [
        judged(
            day, list(range(40)), **{way: rng.normal(mean, 0.1, 40).tolist() for way, mean in level.items()}
        )
        for day in range(1, 11)
    ]
    nights = [
        Night(0, NIGHTLY, "promoted", 1, 9.0, "3", "better"),
        Night(1, NIGHTLY, "refused", 2, 9.0, "3", "worse", "killed"),
        Night(2, NIGHTLY, "promoted", 1, 9.0, "7", "better"),
    ]
    return Outcome(Scenario(days=10, shift=5, faults={1: killed_in_training}), days, nights, 60.0)


def test_an_interval_is_over_players_not_plays() -> None:
    alike = [judged(day, list(range(50)), a=[0.0] * 25 + [1.0] * 25) for day in range(1, 11)]
    apart = [
        judged(day, list(range(50 * day, 50 * day + 50)), a=[0.0] * 25 + [1.0] * 25) for day in range(1, 11)
    ]
    few, many = mean_over(alike, "a"), mean_over(apart, "a")
    assert few.value == many.value == 0.5
    assert few.high - few.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(50), rel=0.1)
    assert many.high - many.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(500), rel=0.1)


def test_a_difference_is_taken_on_the_same_plays(outcome: Outcome) -> None:
    gain = mean_over(outcome.days, NIGHTLY, minus=NEVER)
    assert gain.value == pytest.approx(
        mean_over(outcome.days, NIGHTLY).value - mean_over(outcome.days, NEVER).value
    )
    assert 0 < gain.low < gain.value < gain.high


def test_the_periods_hold_every_day_once(outcome: Outcome) -> None:
    parts = periods(outcome)
    assert list(parts) == ["1 to 4", "5 to 10"]
    assert [day.number for days in parts.values() for day in days] == list(range(1, 11))
    assert "| 5 to 10 | 240 | 0.6" in table(outcome)


def test_the_records_say_what_happened(outcome: Outcome, tmp_path: Path) -> None:
    write_records(outcome, tmp_path)
    rows = list(csv.DictReader((tmp_path / DAYS_FILE).open()))
    assert len(rows) == 10 * 4
    assert all(float(r["low"]) <= float(r["ndcg_at_10"]) <= float(r["high"]) for r in rows)
    nights = list(csv.DictReader((tmp_path / NIGHTS_FILE).open()))
    assert [night["outcome"] for night in nights] == ["promoted", "refused", "promoted"]
    assert "| 1 | killed | 2 | refused | night 2 |" in (tmp_path / PAGE_FILE).read_text()
    assert "| nightly | 3 | 2 | 1 |" in nights_table(outcome)
    svg = (tmp_path / "pictures" / "freshness.svg").read_text()
    assert all(words in svg for words in ("killed in training", "retrained nightly", "never retrained"))


def test_plays_arrive_at_the_store_at_their_time_and_only_once(tmp_path: Path) -> None:
    none = np.empty(0, dtype=np.int64)
    day = Day(3, np.array([7, 8]), np.array([1, 0]), [none, none], np.eye(2))
    for _ in range(2):  # a day that is sent again is known
        send_events(tmp_path, day, ["10", "20"])
    store = SqliteEventStore(Home(path=str(tmp_path)).events_file)
    assert [(e.user_id, e.item_id) for e in store.events()] == [("7", "20"), ("8", "10")]
    assert [e.played_at for e in store.events()] == [int(moment.timestamp() * 1000) for moment in times(day)]
    assert {moment.date().isoformat() for moment in times(day)} == {date_of(3)}
    store.close()


def test_a_champion_is_judged_on_the_plays_that_have_a_history(tiny_run) -> None:
    home = Path(tiny_run.home.path)
    with tiny_run.home.lake().connect("items") as connection:
        ids = [
            row[0] for row in connection.execute("SELECT item_id FROM items ORDER BY item_index").fetchall()
        ]
    ids.append("a game of tomorrow")
    n = len(ids)
    histories = [np.array([], dtype=np.int64), np.array([0, 1]), np.array([2]), np.array([n - 1])]
    day = Day(1, np.arange(4), np.array([3, 3, n - 1, 4]), histories, np.full((4, n), 1 / n))
    found = judge(day, {"a": home}, item_table(ids))
    assert found.players.tolist() == [1, 2, 3]
    assert found.ndcg["a"][1] == 0, "a game that the champion does not know ranks last"
    assert found.ndcg["a"][2] == 0, "and a player of whom it knows no game gets nothing right"
    assert found.ndcg[OPTIMUM].tolist() == [0, 0, 0], "all chances are equal, and ties count against"


@pytest.mark.slow
def test_a_night_stays_in_its_own_home_whatever_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production, plan = tmp_path / "production", Plan(tmp_path / "source", "{}", tmp_path / "nights.log")
    process = SampleProcess.from_seed("tiny", 1)
    plan.source.mkdir()
    write_history(plan.source, list(play_days(process, process, -6, 0, 1, 1)), process.game_ids)
    write_catalogue(plan.source, process.game_ids)
    real = SqliteEventStore(production / "events.db")
    real.add([[Play("real", "a real player", process.game_ids[0])]])
    real.close()
    shared = {
        "NEXTPLAY_LAKE": str(production / "lake"),
        "nextplay_events": str(production / "events.db"),  # pydantic takes any case
        "NEXTPLAY_DATABASE": "postgresql://me@127.0.0.1:1/none",
        "NEXTPLAY_MLFLOW_URI": f"sqlite:///{production / 'mlflow.db'}",
        "MLFLOW_REGISTRY_URI": f"sqlite:///{production / 'registry.db'}",
    }
    for name, value in shared.items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "home"
    assert run_job(plan, home, 0, until=["baselines", "events"]) is None
    assert {name: os.environ[name] for name in shared} == shared, "they are there again afterwards"
    assert {path.name.partition("-")[0] for path in production.iterdir()} == {"events.db"}
    assert Home(path=str(home)).lake().current("events").rows == 0
    for name in shared:
        monkeypatch.delenv(name)
    assert Home(path=str(home)).tracking().versions()


def test_spoiled_candidates_are_what_was_trained_and_no_damage(home: Home) -> None:
    store = home.bundles()
    _spoil(store, "sasrec")
    folder = store.current("sasrec")
    assert store.find("sasrec", folder.name.removeprefix("sasrec-")) == folder, "nobody makes it again"
    assert all(np.isnan(values).all() for values in load_file(folder / WEIGHTS_FILE).values())


@pytest.mark.parametrize("name", ["NEXTPLAY_LAKE", "NEXTPLAY_EVENTS"])
def test_the_settings_of_a_night_name_no_other_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "production"))
    settings = Plan(tmp_path, "{}", tmp_path / "nights.log").settings(tmp_path / "home", 0)
    assert settings.lake is None and settings.events is None


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_nights_with_every_fault_run_unattended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path))
    faults = {1: killed_in_training, 2: truncated_file, 3: nan_candidates}
    scenario = Scenario(days=5, shift=3, training='{"epochs": 3}', faults=faults)
    monkeypatch.setattr(job, "Scenario", lambda **_: scenario)
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.simulation.execute_in_process(instance=instance)
    assert result.success
    nights = list(csv.DictReader((job.records_folder() / NIGHTS_FILE).open()))
    assert [(night["day"], night["runs"]) for night in nights] == [
        ("0", "1"), ("1", "2"), ("2", "2"), ("3", "1"), ("4", "1"),
    ]  # fmt: skip
    assert nights[0]["outcome"] == "promoted"
    assert nights[3]["outcome"] == "refused" and "NaN" in nights[3]["reason"]
    assert champion(tmp_path / "simulation" / "homes" / NIGHTLY).version == nights[-1]["champion"]
    assert champion(tmp_path / "simulation" / "homes" / NEVER).version == nights[0]["champion"]
    rows = list(csv.DictReader((job.records_folder() / DAYS_FILE).open()))
    assert {row["way"] for row in rows} == {NIGHTLY, WEEKLY, NEVER, OPTIMUM}
