"""Nights with plays held back: what they may know, when they run again, and that a trial by hand agrees."""

import csv
import shutil
from collections.abc import Collection
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import pytest

from assets.evaluation.as_served import latest
from assets.resources import Home
from assets.state.apart import (
    forget_apart,
    home_apart,
    homes_apart,
    read_note,
    remove_apart,
    share_raw,
    write_note,
)
from assets.state.backup import back_up
from pipelines.as_served import night as nights
from pipelines.as_served.measure import measure
from pipelines.as_served.night import AsServedError, night_before, night_settings
from pipelines.as_served.page import rendered
from pipelines.operator.clean import clean
from pipelines.resources import Settings, home_of
from serving.state.events import Play
from serving.state.events_sqlite import SqliteEventStore
from tests.support.homes import rows
from tests.support.runs import run_everything
from tests.support.tables import publish

NEW_YEAR, DAY = 1_767_225_600_000_000, 86_400_000_000  # 2026-01-01, in microseconds


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The nights that would have run: each leaves a trace in its home, and nothing more."""
    found = list[Settings]()

    def run(settings: Settings, until: Any = (), environment: Any = None) -> str | None:
        (settings.home / "trace").write_text(str(settings.hold_back))
        found.append(settings)
        return None

    monkeypatch.setattr(nights, "run_apart", run)
    return found


def tell(said: str) -> None:
    """Nobody listens."""


def given(folder: Path, **changes: Any) -> Settings:
    table = folder / "plays.csv"
    if not table.exists():
        write(table, [("u1", "a"), ("u1", "b")])
    return Settings(**{"home": folder / "home", "source": "table", "table": str(table), **changes})


def write(path: Path, plays: list[tuple[str, str]], without: Collection[int] = ()) -> None:
    """Plays with their places as times, but for those at some places."""
    with path.open("w", newline="") as stream:
        rows = [(*play, place) for place, play in enumerate(plays) if place not in without]
        csv.writer(stream).writerows([("user_id", "item_id", "timestamp"), *rows])


def test_a_night_is_run_once_and_anew_where_what_it_is_made_from_has_changed(
    tmp_path: Path, ran: list[Settings]
) -> None:
    """A champion of before may have learned what is held back now, so nothing of it stays."""
    settings = given(tmp_path)
    for _ in range(2):
        night_before(settings, "last", True, tell)
    assert len(ran) == 1
    night = ran[0].home
    assert night == home_apart(settings.home, "last")
    (night / "champion").mkdir()
    write(tmp_path / "plays.csv", [("u1", "a")])
    night_before(settings, "last", True, tell)
    assert len(ran) == 2
    assert not (night / "champion").exists()
    night_before(given(tmp_path, core=2), "last", True, tell)
    assert len(ran) == 3


def test_a_night_that_was_stopped_goes_on(
    tmp_path: Path, ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = given(tmp_path)
    monkeypatch.setattr(nights, "run_apart", lambda *_, **__: "sasrec: the disk is full")
    with pytest.raises(AsServedError, match=r"The night before last failed in .*: sasrec: the disk is full"):
        night_before(settings, "last", True, tell)
    apart = home_apart(settings.home, "last")
    (apart / "half").write_text("a checkpoint")
    monkeypatch.undo()
    monkeypatch.setattr(nights, "run_apart", lambda *_, **__: None)
    night_before(settings, "last", True, tell)
    assert (apart / "half").exists()
    assert read_note(apart)["finished"]


def test_a_night_keeps_to_its_home_and_takes_the_plays_of_the_endpoint(
    tmp_path: Path, ran: list[Settings]
) -> None:
    settings = given(tmp_path, lake="s3://bucket/prefix", split="leave-one-out")
    night_before(settings, "2026-01-01", False, tell)
    (night,) = ran
    assert (night.lake, night.hold_back, night.refit) == (None, "2026-01-01", False)
    assert night.events == str(home_of(settings).events_file)
    assert night.home.parent == settings.home.resolve() / "as_served"
    assert night.home != home_apart(settings.home, "2026-01-01"), "another night than that with refit"


def test_events_in_a_database_are_read_there(
    tmp_path: Path, ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTPLAY_EVENTS", "postgresql://host/plays")
    settings = given(tmp_path)
    home = home_of(settings)
    assert nights._events(home) == {"NEXTPLAY_EVENTS": "postgresql://host/plays"}
    assert night_settings(settings, home, tmp_path, "last", True).events is None


@pytest.mark.parametrize(("cut", "moved"), [("2026-01-09", 2), (str(NEW_YEAR + 8 * DAY), 2), ("last", 0)])
def test_a_split_in_time_moves_with_the_end_of_the_plays(tmp_path: Path, cut: str, moved: int) -> None:
    """The plays end on the 11th, and are tested from the 10th on: before the 9th that is from the 8th on."""
    settings = given(tmp_path, split="temporal", cutoffs="2026-01-08,2026-01-10")
    home = home_of(settings)
    plays = [("u1", f"i{day}", day, None, NEW_YEAR + day * DAY) for day in range(11)]
    publish(home.lake(), "all_interactions", plays)
    found = night_settings(settings, home, tmp_path, cut, True).cutoffs
    cuts = [NEW_YEAR + (day - moved) * DAY for day in (7, 9)]
    assert found == (f"{cuts[0]},{cuts[1]}" if moved else settings.cutoffs)
    shares = given(tmp_path, split="temporal", cutoffs="0.8,0.9")
    assert night_settings(shares, home, tmp_path, cut, True).cutoffs == "0.8,0.9"


def test_raw_files_are_shared_and_downloads_under_way_are_not(tmp_path: Path) -> None:
    home, apart = tmp_path / "home", tmp_path / "home" / "as_served" / "last"
    (home / "raw" / "files").mkdir(parents=True)
    (home / "raw" / "plays.gz").write_bytes(b"plays")
    (home / "raw" / "more.gz.part").write_bytes(b"half")
    (home / "raw" / "files" / "abc").symlink_to("../plays.gz")
    (apart / "raw").mkdir(parents=True)  # as whoever asks for the state of a source leaves it
    share_raw(home, apart)
    assert (apart / "raw" / "files" / "abc").read_bytes() == b"plays"
    assert (apart / "raw" / "plays.gz").stat().st_ino == (home / "raw" / "plays.gz").stat().st_ino
    assert not (apart / "raw" / "more.gz.part").exists()


def test_homes_that_hold_somebody_who_was_forgotten_since_are_removed(tmp_path: Path) -> None:
    old, new = home_apart(tmp_path, "2026-01-01"), home_apart(tmp_path, "last")
    write_note(old, {}, forgotten=0, finished=True)
    write_note(new, {}, forgotten=1, finished=True)
    assert forget_apart(tmp_path, 1) == ["2026-01-01"]
    assert sorted(path.name for path in new.parent.iterdir()) == ["last", "last.json"]


def test_clean_removes_these_homes_and_a_backup_leaves_them_out(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path / "home"))
    publish(home.lake(), "all_interactions", [("u1", "a", 0, None, None)])
    apart = home_apart(home.folder(), "last")
    write_note(apart, {}, forgotten=0, finished=True)
    (apart / "secret").write_text("x")
    assert not [
        path for path in back_up(home.folder(), tmp_path / "backup")["contents"] if "as_served" in path
    ]
    (home.folder() / ".nextplay").write_bytes(b"A home")
    assert "as_served" in clean(home.folder())
    assert not apart.exists()


def test_a_mistake_is_told_before_anything_runs(tmp_path: Path, ran: list[Settings]) -> None:
    with pytest.raises(AsServedError, match="NEXTPLAY_HOLD_BACK is set"):
        measure(given(tmp_path, hold_back="last"))
    with pytest.raises(AsServedError, match="There are no plays in this home yet"):
        measure(given(tmp_path))
    with pytest.raises(AsServedError, match="'yesterday' does not say what is held back"):
        measure(given(tmp_path), ["yesterday"])
    assert ran == []


def chain(users: int, items: int) -> list[tuple[str, str]]:
    """Plays in which an item is mostly followed by the next number, one user after the other."""
    rng = np.random.default_rng(3)
    plays = list[tuple[str, str]]()
    for user in range(users):
        seen, item = list[int](), int(rng.integers(items))
        for _ in range(int(rng.integers(7, 15))):
            seen.append(item)
            left = [i for i in range(items) if i not in seen]
            item = (
                (item + 1) % items
                if (item + 1) % items in left and rng.random() < 0.7
                else int(rng.choice(left))
            )
        plays += [(f"u{user}", f"i{number}") for number in seen]
    return plays


@pytest.mark.slow
def test_the_figure_is_that_of_a_trial_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without each user's last play, a run of everything, and batch_recommendations against these."""
    how = {"training": '{"epochs": 2}', "candidates": "gru4rec", "threads": 1, "progress": False}
    plays = chain(300, 40)
    last = dict(plays)
    write(tmp_path / "plays.csv", plays)
    settings = given(tmp_path, **how)
    found = measure(settings, ["last"])
    served = next(row for row in found if row["model"] == "served")

    ends = {user: place for place, (user, _) in enumerate(plays)}
    short = tmp_path / "short.csv"
    write(short, plays, without=set(ends.values()))
    by_hand = Settings(home=tmp_path / "hand", source="table", table=str(short), **how)
    assert run_everything(by_hand).success
    home = home_of(by_hand)
    core = {user for (user,) in rows(home, "sequences", "DISTINCT user_id")}
    ranks = {
        user: rank
        for user, item, rank in rows(home, "batch_recommendations", "user_id, item_id, rank")
        if item == last[user] and rank <= 10
    }
    gains = [1 / np.log2(1 + ranks[user]) if user in ranks else 0.0 for user in core]
    assert served["users"] == len(core)
    assert served["ndcg_at_10"] == pytest.approx(np.mean(gains), abs=1e-12)
    assert served["hr_at_10"] == pytest.approx(len(ranks) / len(core), abs=1e-12)
    assert {row["model"] for row in found} >= {"served", "judged", "popularity", "markov"}
    kept = {model for (model,) in rows(home_of(settings), "as_served", "model")}
    assert kept == {row["model"] for row in found}
    assert "held back: last" in rendered(found)

    def never(*_: Any, **__: Any) -> str:
        return "a night was run again"

    monkeypatch.setattr(nights, "run_apart", never)
    again = measure(settings, ["last"])
    assert [row["ndcg_at_10"] for row in again] == [row["ndcg_at_10"] for row in found]
    assert len(latest(home_of(settings).lake())) == len(found)
    store = SqliteEventStore(home_of(settings).events_file)
    store.add([[Play("e1", "u1", "i1", 0)]])
    store.close()
    with pytest.raises(AsServedError, match="a night was run again"):
        measure(settings, ["last"])


def test_a_home_that_is_asked_for_again_counts_as_new_and_half_a_one_is_not_ended(
    tmp_path: Path, ran: list[Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = given(tmp_path)
    for cut in ("2026-01-01", "last", "2026-01-01"):
        night_before(settings, cut, True, tell)
        sleep(0.01)  # the clock of a file system ticks
    assert homes_apart(settings.home) == ["last", "2026-01-01"] and len(ran) == 2

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_apart(home_apart(settings.home, "last"))
    monkeypatch.undo()
    assert not read_note(home_apart(settings.home, "last"))
