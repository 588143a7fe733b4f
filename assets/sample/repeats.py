"""The built-in sample where people play things again: plays with times, whose best possible ranking is known.

At each step after the first a player either takes up a game of their own again, by how recently it was
played, or plays the next new game of the process in `assets.sample.process`, which goes on as if nothing had
come between. A history shows which of its plays were new, so the chances of the next play are known in full:
those of a game played before, and those of a new one, in fixed shares.

Measured at default size (seed 20181114, last play of each player, full catalogue, played games among the
answers), in NDCG@10: optimum 0.413, most recent first 0.369, most frequent first 0.272, Markov chain 0.236.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.sample import SEED
from assets.sample.dated import (
    ITEM_COLUMNS,
    ITEMS_FILE,
    PLAYS_FILE,
    csv_lines,
    draw_times,
    item_rows,
    moments,
)
from assets.sample.libraries import PLAYERS_AT_ONCE, Shop, played_games, steam_id, write_lines
from assets.sample.process import OptimumScorer, SampleProcess, SampleSize, draw_columns

AGAIN = 0.6  # chance of a game of one's own, at each step after the first
RECENT = 15  # games of one's own that may come again: those played last
FADES = 0.8  # odds of a game against those of the one played after it


def write_repeating_sample(folder: Path, size: str | SampleSize = "default", seed: int = SEED) -> None:
    """Write `plays.csv.gz` (user_id, item_id, timestamp) and `items.csv.gz`, as `assets.sample.dated` does.

    The same size and seed give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process = SampleProcess.from_seed(size, seed)
    shop = Shop.from_seed(process, seed)
    write_lines(folder / ITEMS_FILE, csv_lines(list(ITEM_COLUMNS), item_rows(shop, process.n_games, seed)))
    rows = _play_rows(process, seed)
    write_lines(folder / PLAYS_FILE, csv_lines(["user_id", "item_id", "timestamp"], rows))


def _play_rows(process: SampleProcess, seed: int) -> Iterator[tuple[str, str, str]]:
    """User id, item id and time of each play, player by player; draws players as it goes."""
    account = 0
    for start in range(0, process.size.players, PLAYERS_AT_ONCE):
        n_players = min(PLAYERS_AT_ONCE, process.size.players - start)
        rng = np.random.default_rng([seed, 3, start])
        again, clock = (np.random.default_rng([seed, part, start]) for part in (6, 4))
        for new in played_games(rng, process, n_players):
            user = steam_id(account, seed)
            account += 1
            times = moments(draw_times(clock, len(new))) if len(new) else []
            for game, time in zip(with_repeats(again, new), times, strict=True):
                yield user, process.game_ids[game], time


def with_repeats(rng: np.random.Generator, new: Sequence[int] | NDArray[np.int64]) -> list[int]:
    """As many plays as there are new games, of which only the first ones come to be played."""
    waiting, played = iter(new), list[int]()
    for repeats in rng.random(len(new)) < AGAIN:
        if repeats and played:
            games, chances = chances_again(played)
            played.append(int(games[draw_columns(rng, chances[None])[0]]))
        else:
            played.append(int(next(waiting)))
    return played


def chances_again(played: Sequence[int] | NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The games that may be taken up again, the one played last first, and the chance of each if one is."""
    games = np.array(list(dict.fromkeys(np.asarray(played)[::-1].tolist()))[:RECENT], dtype=np.int64)
    odds = FADES ** np.arange(len(games))
    return games, odds / odds.sum()


class RepeatingOptimum(OptimumScorer):
    """The best scorer that there can be for sequences of this sample."""

    def chances(self, histories: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        new = [np.array(list(dict.fromkeys(history.tolist())), dtype=np.int64) for history in histories]
        found = super().chances(new)  # [users, n], 0 where played
        for user, history in enumerate(histories):
            if len(history):
                games, again = chances_again(history)
                found[user] *= 1 - AGAIN
                found[user, games] += AGAIN * again
        return found
