"""The built-in sample with a clock: what its players really play, as a table of plays with times.

Process, players and ids are those of `assets.sample.libraries`: the games of a player in the order of
time, the first play of each, are the sequence that the files of the sample unite to. Beside them
stand the oddities of such tables: later plays of the same game, and rows that cannot be plays.

A player joins at some time, plays for some time and leaves, so that a cut in time finds old players, new
ones and such as are gone. The clock is drawn apart from the process: when a game is played says nothing about
what is played.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.sample import SEED
from assets.sample.libraries import PLAYERS_AT_ONCE, Shop, game_fields, played_games, steam_id, write_lines
from assets.sample.process import SampleProcess, SampleSize
from models.bundle.attributes import LIST_SEPARATOR

PLAYS_FILE = "plays.csv.gz"
ITEMS_FILE = "items.csv.gz"
ITEM_COLUMNS = (
    "item_id", "title", "genres", "tags", "price", "release_date", "early_access", "developer"
)  # fmt: skip

FIRST_DAY, LAST_DAY = np.datetime64("2014-01-01", "s"), np.datetime64("2018-11-14", "s")
SHORTEST_STAY = 30 * 86_400  # seconds
AGAIN_SHARE = 0.05  # of the plays: the same game once more, later
MALFORMED_ROW_EVERY = 500


def write_dated_sample(folder: Path, size: str | SampleSize = "default", seed: int = SEED) -> None:
    """Write `plays.csv.gz` (user_id, item_id, timestamp) and `items.csv.gz` (ITEM_COLUMNS).

    The same size and seed give the same bytes. Some 1,000 players are in memory at a time: their rows are in
    the order of time, and the file is not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process = SampleProcess.from_seed(size, seed)
    shop = Shop.from_seed(process, seed)
    write_lines(folder / ITEMS_FILE, csv_lines(list(ITEM_COLUMNS), item_rows(shop, process.n_games, seed)))
    write_lines(folder / PLAYS_FILE, csv_lines(["user_id", "item_id", "timestamp"], play_rows(process, seed)))


def item_rows(shop: Shop, n_games: int, seed: int) -> Iterator[tuple[str, ...]]:
    """The games of the process as the sample's catalogue describes games, each with its title."""
    rng = np.random.default_rng([seed, 5])
    for game in range(n_games):
        fields = game_fields(rng, shop, game) | {"item_id": shop.ids[game], "title": shop.titles[game]}
        yield tuple(_cell(fields.get(name, "")) for name in ITEM_COLUMNS)


def _cell(value: object) -> str:
    return LIST_SEPARATOR.join(value) if isinstance(value, list) else str(value)


def play_rows(process: SampleProcess, seed: int) -> Iterator[tuple[str, str, str]]:
    """User id, item id and time of each row; a generator that draws players as it goes."""
    account = 0
    for start in range(0, process.size.players, PLAYERS_AT_ONCE):
        n_players = min(PLAYERS_AT_ONCE, process.size.players - start)
        games = list(played_games(np.random.default_rng([seed, 3, start]), process, n_players))
        clock = np.random.default_rng([seed, 4, start])
        users = [steam_id(account + i, seed) for i in range(len(games))]
        account += len(games)
        yield from _with_malformed(_rows_in_time(clock, users, games, process.game_ids))


def _rows_in_time(
    clock: np.random.Generator, users: list[str], games: list[NDArray[np.int64]], ids: list[str]
) -> Iterator[tuple[str, str, str]]:
    user = np.repeat(np.arange(len(users)), [len(played) for played in games])  # [plays]
    game = np.concatenate(games)
    time = np.concatenate([draw_times(clock, len(played)) for played in games])
    again = clock.random(len(user)) < AGAIN_SHARE
    later = time[again] + clock.integers(1, 90 * 86_400, int(again.sum()))
    user, game, time = (np.append(a, b) for a, b in ((user, user[again]), (game, game[again]), (time, later)))
    order = np.argsort(time, kind="stable")
    for u, g, moment in zip(user[order].tolist(), game[order].tolist(), moments(time[order]), strict=True):
        yield users[u], ids[g], moment


def moments(times: NDArray[np.int64]) -> list[str]:
    """Seconds since the first day as texts."""
    return [str(moment) for moment in (FIRST_DAY + times).astype(str)]


def draw_times(clock: np.random.Generator, n: int) -> NDArray[np.int64]:
    """When a player plays `n` games: rising seconds since the first day [n]."""
    end = int((LAST_DAY - FIRST_DAY).astype(np.int64))
    joined = int(clock.integers(0, end - SHORTEST_STAY))
    stay = clock.uniform(SHORTEST_STAY, end - joined)
    return joined + np.sort(clock.integers(0, int(stay), n)) + np.arange(n)


def _with_malformed(rows: Iterator[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """The rows, and before one in many something that is no play."""
    for i, (user, item, time) in enumerate(rows):
        if i % MALFORMED_ROW_EVERY == MALFORMED_ROW_EVERY // 2:
            kinds = (("", item, time), (user, "", time), (user, item, "yesterday"), (user, item, ""))
            yield kinds[i // MALFORMED_ROW_EVERY % len(kinds)]
        yield user, item, time


def csv_lines(header: list[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="")
    for row in [header], rows:
        for values in row:
            writer.writerow(values)
            yield text.getvalue()
            text.seek(0)
            text.truncate()
