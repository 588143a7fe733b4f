"""The sample's process day by day, with a shift: new games appear, and tastes move.

Players come, play as many games as `SampleProcess` says, one a day on most days, and go. From the day of the
shift on the process is another one over the same games and groups: games that nobody could play before are
among the most popular, and each taste likes other groups. A player keeps the taste's number and the history.
So the best possible ranking for every single play is known, as it is for the process itself: the belief about
a player's taste is filtered along the plays, each by the process of its day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from assets.sample.process import (
    SampleProcess,
    draw_columns,
    draw_tastes,
)

PLAYING_SHARE = 0.8  # of the players who are there, on one day
NEW_SHARE = 0.2  # of the games: not there before the shift
OLD_AHEAD = 2  # games that were there before, for each new one among the most popular


@dataclass(frozen=True)
class Day:
    """What was played on one day: at most one play a player."""

    number: int
    players: NDArray[np.int64]  # [plays]
    games: NDArray[np.int64]  # [plays]
    histories: list[NDArray[np.int64]]  # [plays], games played before, oldest first
    chances: NDArray[np.float64]  # [plays, games], of each game to be the one, given what can be known


def shifted(process: SampleProcess, seed: int) -> tuple[SampleProcess, SampleProcess]:
    """The process before and after the shift."""
    rng = np.random.default_rng([seed, 5])
    n = process.n_games
    (new,) = np.nonzero(rng.permutation(n) < round(NEW_SHARE * n))
    old = np.setdiff1d(np.argsort(-process.weights, kind="stable"), new, assume_unique=True)
    games = np.append(old, new)
    places = np.append(np.arange(len(old)), OLD_AHEAD * (1 + np.arange(len(new))) - 0.5)
    weights = np.empty(n)
    weights[games[np.argsort(places)]] = np.sort(process.weights)[::-1]
    tastes = draw_tastes(rng, len(process.tastes), process.n_groups)
    before = process.weights.copy()
    before[new] = 0
    return replace(process, weights=before), replace(process, weights=weights, tastes=tastes)


def play_days(
    before: SampleProcess, after: SampleProcess, first: int, last: int, shift: int, seed: int
) -> Iterator[Day]:
    """The days from `first` to `last`; those from `shift` on are of the process `after`.

    As many players are there at a time as the size of the process says, about.
    """
    return days_of(lambda number: after if number >= shift else before, first, last, seed)


def days_of(process_of: Callable[[int], SampleProcess], first: int, last: int, seed: int) -> Iterator[Day]:
    """The days from `first` to `last`, each of the process that its number has.

    The processes differ in their weights and tastes alone.
    """
    rng, process = np.random.default_rng([seed, 6]), process_of(first)
    population = _Population(process)
    population.join(rng, process.size.players, newcomers=False)
    arrivals = process.size.players * PLAYING_SHARE / process.sample_lengths(rng, 10_000).mean()
    for number in range(first, last + 1):
        population.join(rng, int(rng.poisson(arrivals)), newcomers=True)
        yield population.play(rng, process_of(number), number)


class _Population:
    """Everybody who has joined so far, one row for each player."""

    def __init__(self, process: SampleProcess) -> None:
        self._process = process
        n_groups, n_tastes = process.n_groups, len(process.tastes)
        self._left = np.empty(0, dtype=np.int64)  # [players], games still to play
        self._taste = np.empty(0, dtype=np.int64)
        self._belief = np.empty((0, n_tastes))
        self._seen = np.empty((0, process.n_games), dtype=bool)
        self._last_two = np.empty((0, 2), dtype=np.int64)  # groups of the last game and of the one before
        self._histories: list[list[int]] = []
        self._nothing = n_groups

    def join(self, rng: np.random.Generator, n: int, newcomers: bool) -> None:
        process = self._process
        lengths = process.sample_lengths(rng, n)
        if not newcomers:  # they are somewhere on their way, and we see them from here on
            lengths = np.ceil(lengths * rng.random(n)).astype(np.int64)
        self._left = np.append(self._left, lengths)
        self._taste = np.append(self._taste, rng.choice(len(process.tastes), n, p=process.taste_shares))
        self._belief = np.vstack([self._belief, np.tile(process.taste_shares, (n, 1))])
        self._seen = np.vstack([self._seen, np.zeros((n, process.n_games), dtype=bool)])
        self._last_two = np.vstack([self._last_two, np.full((n, 2), self._nothing)])
        self._histories += [[] for _ in range(n)]

    def play(self, rng: np.random.Generator, process: SampleProcess, number: int) -> Day:
        """Each player who plays on this day plays one game."""
        (there,) = np.nonzero(self._left > 0)
        players = there[rng.random(len(there)) < PLAYING_SHARE]  # [plays]
        last, earlier = self._last_two[players].T
        odds = process.after_last[last] * process.after_earlier[earlier]  # [plays, G]
        open_weights = process.weights * ~self._seen[players]  # [plays, games]
        member = np.eye(process.n_groups)[process.groups]  # [games, G]
        total = (odds * (open_weights @ member)) @ process.tastes.T  # [plays, Z]
        belief = self._belief[players]  # [plays, Z]
        expected = odds * ((belief / total) @ process.tastes)  # [plays, G]
        chances = expected[:, process.groups] * open_weights  # [plays, games]
        real = odds * process.tastes[self._taste[players]]  # [plays, G]
        games = draw_columns(rng, real[:, process.groups] * open_weights)  # [plays]
        histories = [np.array(self._histories[player], dtype=np.int64) for player in players]
        belief = belief * process.tastes[:, process.groups[games]].T / total
        self._belief[players] = belief / belief.sum(axis=1, keepdims=True)
        self._remember(players, games, process.groups[games])
        return Day(number, players, games, histories, chances)

    def _remember(
        self, players: NDArray[np.int64], games: NDArray[np.int64], groups: NDArray[np.int64]
    ) -> None:
        self._left[players] -= 1
        self._seen[players, games] = True
        self._last_two[players] = np.column_stack([groups, self._last_two[players, 0]])
        for player, game in zip(players.tolist(), games.tolist(), strict=True):
            self._histories[player].append(game)
