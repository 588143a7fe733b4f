"""The process behind the built-in sample: known in full, so that the best possible ranking is known too.

A player has one of a few tastes, which nobody sees. The next game is drawn among the games not played yet,
with odds that are a product of four terms: the game's own popularity, how its group follows the group of the
last game, how it follows the group of the game before that, and how the player's taste likes the group. The
third term makes the process second-order, the fourth gives the whole history a meaning, and the product form
keeps both within reach of a small network. Everything is a small table, so filtering the taste along a
history gives the exact probabilities of the next game: no ranking does better in expectation.

Measured at default size (seed 20181114, last game of each player, full catalogue, played games left out), in
NDCG@10: optimum 0.408, first-order Markov chain tuned on validation 0.205, popularity 0.116. What the taste
adds to the optimum is small, about 0.01.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from assets.sample import SEED
from models.bundle.bundle import PADDING, ItemTable

SCORED_AT_ONCE = 2048  # users; bounds the memory of OptimumScorer
LOWEST_SCORE = -100.0  # below the logarithm of any chance that the process gives


@dataclass(frozen=True)
class SampleSize:
    """How much the sample holds. Lengths count the games that a player really plays."""

    players: int
    games: int
    groups: int = 24
    tastes: int = 6
    median_length: float = 26.0
    length_spread: float = 0.93  # standard deviation of the logarithm of the length
    shortest: int = 5
    longest_share: float = 0.2  # of the games

    # Of the accounts beside the players, as shares of them, and of what is owned and not played.
    visitor_share: float = 0.15  # play fewer games than the shortest: too few for a 5-core
    idle_share: float = 0.08  # play nothing; half of them own nothing
    unplayed_share: float = 1.1  # games owned and not really played, a game played

    def accounts(self, players: int) -> int:
        """How many accounts there are for so many players."""
        return players + self.visitors(players) + self.idle(players)

    def visitors(self, players: int) -> int:
        return round(self.visitor_share * players)

    def idle(self, players: int) -> int:
        return round(self.idle_share * players)


SIZES = {
    "tiny": SampleSize(350, 80, groups=8, tastes=4, median_length=14.0, length_spread=0.6, longest_share=0.4),
    "default": SampleSize(4_000, 800),
    "large": SampleSize(100_000, 3_000, longest_share=0.1),
    "huge": SampleSize(1_000_000, 6_000, longest_share=0.05),
    "steam": SampleSize(  # lines, games owned and core of the Steam libraries, see docs/data.md
        56_808, 6_382, length_spread=0.91, visitor_share=0.185, idle_share=0.32, unplayed_share=1.23
    ),
}

POPULARITY_DECAY = 3.0  # of a game's weight with its rank
POPULARITY_HEAD = 0.1  # of the games; they are popular about alike, which keeps long libraries varied
POPULARITY_FLOOR = 0.003  # of the first game's weight; keeps the last games from being played by nobody
FIRST_ORDER = 3.0  # logit that the followers of the last game's group gain
SECOND_ORDER = 4.0  # logit that the followers of the group before gain
TASTE = 1.2  # logit that a taste's groups gain
FOLLOWERS = 2  # groups that follow a group, in either order
TASTE_SHARE = 0.3  # of the groups that one taste likes


@dataclass(frozen=True)
class SampleProcess:
    """The known process over games 0..n-1, groups 0..G-1 and tastes 0..Z-1. All odds are positive factors.

    Row G of `after_last` and of `after_earlier` stands for a game that is not there yet.
    """

    game_ids: list[str]
    groups: NDArray[np.int64]  # [n] group of each game
    weights: NDArray[np.float64]  # [n] popularity of each game
    after_last: NDArray[np.float64]  # [G + 1, G] odds of the next group after that of the last game
    after_earlier: NDArray[np.float64]  # [G + 1, G] the same after the game before the last
    tastes: NDArray[np.float64]  # [Z, G] odds that a taste gives to a group
    taste_shares: NDArray[np.float64]  # [Z] share of the players with each taste
    size: SampleSize

    @classmethod
    def from_seed(cls, size: str | SampleSize = "default", seed: int = SEED) -> Self:
        """The process of a size (a name of `SIZES` or one's own) and a seed."""
        size = SIZES[size] if isinstance(size, str) else size
        rng = np.random.default_rng([seed, 0])
        return cls(
            game_ids=_draw_ids(rng, size.games),
            groups=rng.permutation(np.arange(size.games) % size.groups),
            weights=_popularity(size.games),
            after_last=_draw_followers(rng, size.groups, FIRST_ORDER),
            after_earlier=_draw_followers(rng, size.groups, SECOND_ORDER),
            tastes=draw_tastes(rng, size.tastes, size.groups),
            taste_shares=np.full(size.tastes, 1 / size.tastes),
            size=size,
        )

    @property
    def n_games(self) -> int:
        return len(self.groups)

    @property
    def n_groups(self) -> int:
        return int(self.tastes.shape[1])

    def sample_lengths(self, rng: np.random.Generator, n_players: int) -> NDArray[np.int64]:
        """How many games each player plays: lognormal, clipped [n_players]."""
        size = self.size
        drawn = rng.lognormal(np.log(size.median_length), size.length_spread, n_players)
        longest = max(size.shortest, int(size.longest_share * self.n_games))
        return np.clip(np.rint(drawn), size.shortest, longest).astype(np.int64)

    def sample_users(self, rng: np.random.Generator, lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """One player a length; the games of each in the order in which they are played."""
        order = np.argsort(-lengths, kind="stable")
        taste = rng.choice(len(self.taste_shares), size=len(lengths), p=self.taste_shares)
        played = np.full(
            (len(lengths), int(lengths.max(initial=0))), -1, dtype=np.int64
        )  # [players, longest]
        state = _State(self, len(lengths))
        for step in range(played.shape[1]):
            active = int((lengths > step).sum())
            odds = state.group_odds(active) * state.unseen_weight[:active]  # [active, G]
            group = draw_columns(rng, odds * self.tastes[taste[:active]])  # [active]
            members, weights = state.unseen_members(group)  # [active, m]
            played[:active, step] = members[np.arange(active), draw_columns(rng, weights)]
            state.play(played[:active, step])
        by_user = np.argsort(order)
        return [played[row, :length] for row, length in zip(by_user, lengths, strict=True)]

    def sample_user(self, rng: np.random.Generator) -> list[int]:
        """One player's games in the order in which they are played."""
        return [int(game) for game in self.sample_users(rng, self.sample_lengths(rng, 1))[0]]

    def next_distribution(self, history: Sequence[int]) -> NDArray[np.float64]:
        """Probability of each game to be the next one, given all games played so far [n]."""
        chances: NDArray[np.float64] = self.next_distributions([np.asarray(history, dtype=np.int64)])[0]
        return chances

    def next_distributions(self, histories: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Histories of game numbers, oldest first -> probabilities of the next game [users, n].

        The taste is filtered along each history: what a taste gives to the game played, divided by what it
        gives to all games not played before, is the likelihood of that step. Some game must be left to play.
        """
        lengths = np.array([len(history) for history in histories], dtype=np.int64)
        order = np.argsort(-lengths, kind="stable")
        belief = np.tile(self.taste_shares, (len(histories), 1))  # [users, Z]
        state = _State(self, len(histories))
        for step in range(int(lengths.max(initial=0))):
            active = int((lengths > step).sum())
            games = np.array([histories[user][step] for user in order[:active]])
            total = (state.group_odds(active) * state.unseen_weight[:active]) @ self.tastes.T  # [active, Z]
            belief[:active] *= self.tastes[:, self.groups[games]].T / total
            belief[:active] /= belief[:active].sum(axis=1, keepdims=True)
            state.play(games)
        odds = state.group_odds(len(histories))  # [users, G]
        total = (odds * state.unseen_weight) @ self.tastes.T  # [users, Z]
        per_weight = odds * ((belief / total) @ self.tastes)  # [users, G]
        result = np.empty((len(histories), self.n_games))
        result[order] = per_weight[:, self.groups] * self.weights * ~state.seen[:, :-1]  # [users, n]
        return result


class _State:
    """What has been played so far: one row for each player, those who play longest first."""

    def __init__(self, process: SampleProcess, n_players: int) -> None:
        n_groups, n_games = process.n_groups, process.n_games
        self._process = process
        largest = int(np.bincount(process.groups, minlength=n_groups).max())
        self._members = np.full((n_groups, largest), n_games)  # [G, m] padded with a game of no weight
        for group in range(n_groups):
            games = np.flatnonzero(process.groups == group)
            self._members[group, : len(games)] = games
        self._weights = np.append(process.weights, 0.0)[self._members]  # [G, m]
        self.seen = np.zeros((n_players, n_games + 1), dtype=bool)
        self.unseen_weight = np.tile(self._weights.sum(axis=1), (n_players, 1))  # [players, G]
        self._last = np.full(n_players, n_groups)  # group of the last game
        self._earlier = np.full(n_players, n_groups)  # group of the game before it

    def group_odds(self, active: int) -> NDArray[np.float64]:
        """What the last two games give to the group of the next [active, G]."""
        process = self._process
        odds: NDArray[np.float64] = (
            process.after_last[self._last[:active]] * process.after_earlier[self._earlier[:active]]
        )
        return odds

    def unseen_members(self, group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The games of one group a player and their weights, 0 where played [active, m]."""
        members = self._members[group]
        seen = np.take_along_axis(self.seen[: len(group)], members, axis=1)
        return members, self._weights[group] * ~seen

    def play(self, games: NDArray[np.int64]) -> None:
        """The first players play one game each [active]."""
        rows = np.arange(len(games))
        group = self._process.groups[games]
        self.seen[rows, games] = True
        # Summed anew, for what subtracting leaves of a group that has been played through is not quite 0.
        self.unseen_weight[rows, group] = self.unseen_members(group)[1].sum(axis=1)
        self._earlier[rows] = self._last[rows]
        self._last[rows] = group


class OptimumScorer:
    """The best scorer that there can be for sequences of the sample: a `models.scorer.Scorer`.

    Scores are log-probabilities. Items that cannot come next, and those that the process does not know, get
    the lowest score; unknown items in a history are passed over.
    """

    def __init__(self, size: str | SampleSize, seed: int, items: ItemTable) -> None:
        self._process = SampleProcess.from_seed(size, seed)
        game_of_id = {game_id: game for game, game_id in enumerate(self._process.game_ids)}
        self._game = np.array([game_of_id.get(item_id, -1) for item_id in items.ids])  # [n_items + 1]
        self._game[PADDING] = -1

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        """Item indexes, oldest first -> scores float32 [users, n_items + 1]."""
        scores = np.full((len(histories), len(self._game)), LOWEST_SCORE, dtype=np.float32)
        known = np.flatnonzero(self._game >= 0)
        for start in range(0, len(histories), SCORED_AT_ONCE):
            games = [self._game[history] for history in histories[start : start + SCORED_AT_ONCE]]
            chance = self.chances([g[g >= 0] for g in games])  # [users, n]
            with np.errstate(divide="ignore"):
                logs = np.maximum(np.log(chance[:, self._game[known]]), LOWEST_SCORE)
            scores[start : start + SCORED_AT_ONCE, known] = logs
        scores[:, PADDING] = -np.inf
        return scores

    def chances(self, histories: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
        """Probability of each game of the process to be the next one [users, n]."""
        return self._process.next_distributions(histories)


def draw_columns(rng: np.random.Generator, odds: NDArray[np.float64]) -> NDArray[np.int64]:
    """One column a row, by the row's odds [rows, columns] -> [rows]."""
    cumulative = odds.cumsum(axis=1)
    threshold = rng.random(len(odds)) * cumulative[:, -1]
    # Strictly above the threshold, so that a column of odds 0 is never drawn.
    columns: NDArray[np.int64] = (cumulative > threshold[:, None]).argmax(axis=1)
    return columns


def _popularity(n_games: int) -> NDArray[np.float64]:
    """A skewed weight for each game, the most popular first [n]."""
    rank = np.arange(n_games) / n_games
    return (1 + rank / POPULARITY_HEAD) ** -POPULARITY_DECAY + POPULARITY_FLOOR


def _draw_followers(rng: np.random.Generator, n_groups: int, logit: float) -> NDArray[np.float64]:
    """Each group gets its followers; each group follows equally many [G + 1, G]."""
    logits = np.zeros((n_groups + 1, n_groups))
    for _ in range(FOLLOWERS):
        logits[np.arange(n_groups), rng.permutation(n_groups)] += logit
    return np.exp(logits)


def draw_tastes(rng: np.random.Generator, n_tastes: int, n_groups: int) -> NDArray[np.float64]:
    """Each taste likes some of the groups [Z, G]."""
    logits = np.zeros((n_tastes, n_groups))
    liked = max(1, round(TASTE_SHARE * n_groups))
    for row in logits:
        row[rng.choice(n_groups, liked, replace=False)] = TASTE
    return np.exp(logits)


def _draw_ids(rng: np.random.Generator, n_games: int) -> list[str]:
    """App ids like Steam's, multiples of ten, in no relation to the order in which games are played.

    In the real data the order of a library correlates 0.70 with the app id, an artefact of how libraries were
    written down. Here it is near 0, so that nothing is won by learning that ids grow.
    """
    return [str(10 * number) for number in rng.choice(np.arange(1, 60_000), n_games, replace=False)]
