"""The dated data sets of `benchmarks.tomorrow`: files for NEXTPLAY_TABLE, and where they are cut."""

import csv
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from assets.sample import SEED
from assets.sample.dated import ITEM_COLUMNS, item_rows
from assets.sample.days import Day, days_of, play_days, shifted
from assets.sample.libraries import Shop
from assets.sample.process import SampleProcess, SampleSize

DATA = Path(__file__).parents[2] / "shared" / "data"
RECBOLE = "recbole==1.2.1"
INSIDE = "recbole/dataset_example/ml-100k/ml-100k"
SHIFT, DAYS = 50, 80  # the day on which tastes move and new games appear, and how many days there are
PLAYERS = SampleSize(1_500, 400)
FIRST_DAY = datetime(2018, 1, 1, tzinfo=UTC)
LAUNCH = 10.0  # times its weight later that a game has on the day on which it comes out, beside the 1


@dataclass(frozen=True)
class Cut:
    """Training ends where validation begins, the test is from a day on, until another where that is given."""

    validation: str
    test: str
    until: str | None = None

    @property
    def name(self) -> str:
        return f"{self.test} to {self.until}" if self.until else self.test


@dataclass(frozen=True)
class DataSet:
    """Settings of the pipeline for a data set; `make` writes its files below a folder and completes them."""

    title: str
    about: str
    settings: Mapping[str, Any]
    cuts: tuple[Cut, ...]
    make: Callable[[Path], Mapping[str, Any]] = field(default=lambda folder: {})


def movielens(folder: Path) -> Mapping[str, Any]:
    """MovieLens-100K out of the wheel of RecBole, which pip fetches and nobody installs."""
    plays, items = folder / "plays.csv", folder / "items.csv"
    if not items.exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", RECBOLE]
        subprocess.run(pip, check=True, cwd=folder)
        with zipfile.ZipFile(next(folder.glob("recbole-*.whl"))) as wheel:
            rated = _tab_separated(wheel.read(f"{INSIDE}.inter"))
            films = _tab_separated(wheel.read(f"{INSIDE}.item"))
        _write(plays, ("user_id", "item_id", "timestamp"), ((u, i, t) for u, i, _, t in rated))
        rows = ((i, title, "|".join(genres.split()), year) for i, title, year, genres in films)
        _write(items, ("item_id", "title", "genres", "release_date"), rows)
    return {"table": str(plays), "table_items": str(items)}


def days_with_a_shift(folder: Path) -> Mapping[str, Any]:
    """The sample's process day by day: tastes move and new games appear on one of them."""
    path = folder / "plays.csv"
    if not path.exists():
        process = SampleProcess.from_seed(PLAYERS, SEED)
        days = play_days(*shifted(process, SEED), 1, DAYS, SHIFT, SEED)
        _write(path, ("user_id", "item_id", "timestamp"), _plays(days, process))
    return {"table": str(path)}


def days_with_launches(folder: Path) -> Mapping[str, Any]:
    """The sample's process day by day, with a catalogue: half of the games come out on one of the days."""
    plays, items = folder / "plays.csv", folder / "items.csv"
    if not plays.exists():
        process = SampleProcess.from_seed(PLAYERS, SEED)
        rng = np.random.default_rng([SEED, 7])
        n = process.n_games
        old = rng.permutation(n) < n // 2
        out = np.where(
            old, -rng.integers(30, 2_000, n), rng.integers(2, DAYS + 1, n)
        )  # [games], day of release

        def of_day(number: int) -> SampleProcess:
            age = number - out
            interest = 1 + LAUNCH / (1 + np.maximum(age, 0))
            return replace(process, weights=np.where(age < 0, 0.0, process.weights * interest))

        shop = Shop.from_seed(process, SEED)
        date = list(ITEM_COLUMNS).index("release_date")
        rows = [list(row) for row in item_rows(shop, n, SEED)]
        for row, day in zip(rows, out.tolist(), strict=True):
            row[date] = (FIRST_DAY + timedelta(days=day - 1)).date().isoformat()
        _write(items, ITEM_COLUMNS, rows)
        days = days_of(of_day, 1, DAYS, SEED)
        _write(plays, ("user_id", "item_id", "timestamp"), _plays(days, process))
    return {"table": str(plays), "table_items": str(items)}


def _plays(days: Iterable[Day], process: SampleProcess) -> Iterator[tuple[str, str, str]]:
    rng = np.random.default_rng(SEED)
    for day in days:
        seconds = np.sort(rng.integers(0, 86_400, len(day.players)))
        for player, game, second in zip(day.players, day.games, seconds, strict=True):
            moment = FIRST_DAY + timedelta(days=day.number - 1, seconds=int(second))
            yield f"p{player}", process.game_ids[game], moment.isoformat()


def _tab_separated(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode()), delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    aside = path.with_suffix(".part")
    with aside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([tuple(header), *rows])
    aside.rename(path)


def _day_of_shift(after: int) -> str:
    return _day(SHIFT + after)


def _day(number: int) -> str:
    return (FIRST_DAY + timedelta(days=number - 1)).date().isoformat()


STEAM = DataSet(
    "Dated Steam reviews",
    "Each review is a play at its day, 3-core; half a year is tested after each cut, and the half year "
    "before is validation. The catalogue is of 2018: its tags and prices come from the future of a review.",
    {"source": "table", "core": 3},
    (
        Cut("2013-07-01", "2014-01-01", "2014-07-01"),
        Cut("2014-01-01", "2014-07-01", "2015-01-01"),
        Cut("2014-07-01", "2015-01-01", "2015-07-01"),
    ),
    lambda _: {
        "table": str(DATA / "steam" / "reviews_dated.parquet"),
        "table_items": str(DATA / "steam" / "items.parquet"),
    },
)
DATA_SETS = {
    "steam-dated": STEAM,
    "movielens-100k": DataSet(
        "MovieLens-100K",
        "Each rating is a play at its second, 5-core. Three quarters of the rows share user and second with "
        "another: their order is that of the file, and says nothing.",
        {"source": "table"},
        (
            Cut("1998-01-15", "1998-02-01", "1998-02-15"),
            Cut("1998-02-01", "1998-02-15", "1998-03-15"),
            Cut("1998-02-15", "1998-03-15", None),
        ),
        movielens,
    ),
    "sample-dated": DataSet(
        "The dated sample",
        "Invented players whose tastes do not change, from 2014 to 2018.",
        {"source": "sample-dated"},
        (
            Cut("2017-04-01", "2017-07-01", "2017-10-01"),
            Cut("2017-07-01", "2017-10-01", "2018-01-01"),
            Cut("2017-10-01", "2018-01-01", "2018-04-01"),
        ),
    ),
    "sample-shift": DataSet(
        "The sample's process with a shift",
        f"{PLAYERS.players:,} players at a time for {DAYS} days; on day {SHIFT} tastes move, and a fifth of "
        "the games appears. The cuts are before the shift, and two and ten days after it.",
        {"source": "table"},
        (
            Cut(_day_of_shift(-10), _day_of_shift(-5), _day_of_shift(0)),
            Cut(_day_of_shift(-1), _day_of_shift(2), _day_of_shift(7)),
            Cut(_day_of_shift(5), _day_of_shift(10), _day_of_shift(15)),
        ),
        days_with_a_shift,
    ),
    "sample-launches": DataSet(
        "The sample's process with new games",
        f"{PLAYERS.players:,} players at a time for {DAYS} days, with the sample's catalogue. Half of the "
        f"games come out on one of the days; on its first day a game draws {LAUNCH + 1:.0f} times as much as "
        "in the end.",
        {"source": "table"},
        tuple(Cut(_day(day - 10), _day(day), _day(day + 10)) for day in (50, 60, 70)),
        days_with_launches,
    ),
}  # fmt: skip


def named(only: str) -> dict[str, DataSet]:
    """The data sets with this in their name."""
    return {name: data for name, data in DATA_SETS.items() if only in name}
