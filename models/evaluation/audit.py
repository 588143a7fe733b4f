"""How sequential a data set is: what the order of a history tells, and how much of it is only the item's id.

A sequence model can look good on data whose order says nothing about people, for instance where each history
is sorted by an id that grows with the release date. These figures show that before a model is believed.
Nothing here reads a test target: histories end with the validation item, and predictors are judged on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.baselines import Facts, Markov, NextLargerId, Popularity
from models.baselines.next_larger_id import whole_numbers
from models.bundle.bundle import PADDING
from models.data import Holdout, Sequences, Split
from models.evaluation.metrics import per_user, rank_targets
from models.evaluation.stats import bootstrap_interval
from models.scorer import Scorer

USERS = 10_000  # at most; whose validation items judge the predictors
SHUFFLES = 3
SMOOTHING = 100.0  # of every Markov chain here, so that only the order differs
METRIC = "ndcg@10"
FOLLOWS = 0.3  # correlation with the id from which a reader has to be warned
AUDIT_LABELS = {  # of the figures that are a predictor's METRIC on validation
    "markov_real_order": "Markov chain, real order",
    "markov_shuffled_order": "Markov chain, shuffled",
    "markov_sorted_by_id": "Markov chain, sorted by id",
    "popularity": "popularity",
    "next_larger_id": "next larger id",
}


@dataclass(frozen=True)
class Figure:
    """One figure of the audit with its 95 % interval, NaN where it has none."""

    name: str
    value: float
    low: float = float("nan")
    high: float = float("nan")


def audit(split: Split, ids: Sequence[str], *, seed: int) -> list[Figure]:
    """All figures; `ids` are those of the item vocabulary, padding first.

    The figures about ids are left out where the ids are no whole numbers. Raises ValueError where no user has
    a held-out item.
    """
    if len(split.validation) == 0:
        raise ValueError("The order cannot be audited: no user has 3 items or more.")
    rng = np.random.default_rng(seed)
    numbers = whole_numbers(ids)
    train, validation = split.train, _sample(split.validation, rng)
    facts = Facts(exclude_seen=split.exclude_seen)

    def judged(name: str, scorer: Scorer) -> tuple[Figure, NDArray[np.float64]]:
        values = per_user(METRIC, rank_targets(scorer, validation))  # [users]
        return _mean(name, values, seed, validation.people), values

    def chain(reorder: Callable[[Sequences], Sequences]) -> Scorer:
        return _Reordered(Markov.fit(reorder(train), facts=facts, smoothing=SMOOTHING), reorder)

    real_figure, real = judged("markov_real_order", chain(lambda sequences: sequences))
    shuffled = np.mean(
        [judged("", chain(lambda s: shuffled_within(s, rng)))[1] for _ in range(SHUFFLES)], axis=0
    )  # [users]
    figures = [
        real_figure,
        _mean("markov_shuffled_order", shuffled, seed, validation.people),
        _mean("gain_from_order", real - shuffled, seed, validation.people),
        judged("popularity", Popularity.fit(train, facts=facts))[0],
        Figure("repeated_transitions", repeated_transitions(train)),
        Figure("repeated_transitions_shuffled", repeated_transitions(shuffled_within(train, rng))),
    ]
    if numbers is not None:
        correlations = id_correlations(_once_a_user(split.test), numbers)
        if len(correlations):
            figures.append(_mean("id_correlation", correlations, seed))
        by_id = chain(lambda sequences: sorted_within(sequences, numbers))
        figures.append(judged("markov_sorted_by_id", by_id)[0])
        figures.append(judged("next_larger_id", NextLargerId.of(numbers))[0])
    return figures


def id_correlations(sequences: Sequences, ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """Spearman correlation of position and id within each user of 2 different items or more, [those users].

    With the variances v of both ranks, times the length, it is (v1 + v2 - sum(d^2)) / (2 sqrt(v1 v2)) over
    their differences d (Spearman 1904). An item that a user has played several times has the mean of their
    ranks: in any other order again and again would look like sorted by id.
    """
    lengths, n = sequences.lengths, len(sequences)
    user = np.repeat(np.arange(n), lengths)  # [interactions]
    order = np.lexsort((ids[sequences.items], user))  # users stay in their stretch of the array
    by_id = ids[sequences.items][order]
    first = np.ones(len(user), dtype=np.bool_)  # of the plays of an item by a user
    first[1:] = (user[1:] != user[:-1]) | (by_id[1:] != by_id[:-1])
    times = np.diff(np.append(np.flatnonzero(first), len(user)))  # [users' items]
    ranks = np.flatnonzero(first) - sequences.offsets[user[first]] + (times - 1) / 2
    position = order - sequences.offsets[user]
    differences = np.bincount(user, (np.repeat(ranks, times) - position) ** 2, minlength=n)
    together = np.bincount(user[first], _cubic(times), minlength=n)  # what equal ranks take from a variance
    of_positions, of_ids = _cubic(lengths) / 12, (_cubic(lengths) - together) / 12
    some = of_ids > 0
    both = of_positions[some], of_ids[some]
    result: NDArray[np.float64] = (both[0] + both[1] - differences[some]) / (2 * np.sqrt(both[0] * both[1]))
    return result


def _cubic(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
    """L^3 - L: 12 times the sum of squares of L ranks about their mean."""
    length = lengths.astype(np.float64)
    return length**3 - length


def repeated_transitions(sequences: Sequences) -> float:
    """Share of the consecutive pairs (item, next item) that occur more than once in the data."""
    follows = np.ones(len(sequences.items), dtype=np.bool_)
    follows[sequences.offsets[:-1][sequences.lengths > 0]] = False  # a user's first item follows nothing
    places = np.flatnonzero(follows)
    pairs = sequences.items[places - 1].astype(np.int64) * (sequences.n_items + 1) + sequences.items[places]
    _, counts = np.unique(pairs, return_counts=True)
    return float(counts[counts > 1].sum() / len(pairs)) if len(pairs) else 0.0


def shuffled_within(sequences: Sequences, rng: np.random.Generator) -> Sequences:
    """Each user's items in random order."""
    return _reordered(sequences, rng.random(len(sequences.items)))


def sorted_within(sequences: Sequences, ids: NDArray[np.int64]) -> Sequences:
    """Each user's items, smallest id first."""
    return _reordered(sequences, ids[sequences.items])


def describe(figures: Sequence[Figure]) -> str:
    """One paragraph in plain words about how sequential the data are."""
    by_name = {figure.name: figure for figure in figures}
    sentences = [on_ids(by_name), _on_order(by_name), _on_sorting(by_name), _on_transitions(by_name)]
    return " ".join(sentence for sentence in sentences if sentence)


def follows_ids(figures: Mapping[str, Figure]) -> bool:
    """Whether the order of a history is to a large part that of the ids."""
    found = figures.get("id_correlation")
    return found is not None and abs(found.value) >= FOLLOWS


def on_ids(figures: Mapping[str, Figure]) -> str:
    """What the correlation of order and id means, from the audit's figures by name."""
    found = figures.get("id_correlation")
    if found is None:
        return "The item ids are no whole numbers, so it cannot be said whether histories follow them."
    stated = (
        f"Within a user, the place of an item and its id correlate {found.value:.2f} on average "
        f"(95 % interval {found.low:.2f} to {found.high:.2f}; 0 is no relation, 1 is sorted by id)"
    )
    if follows_ids(figures):
        return (
            f"{stated}: to a large part the order of a history is the order of the ids, and not when "
            "somebody chose what. A model can win by learning that ids grow, without learning anything "
            "about people."
        )
    if abs(found.value) >= 0.1:
        backwards = " backwards" if found.value < 0 else ""
        return f"{stated}: the order of a history is in part the order of the ids{backwards}."
    return f"{stated}: the order of a history is not that of the ids."


@dataclass(frozen=True, eq=False)
class _Reordered:
    """A scorer whose histories are brought into another order first."""

    scorer: Scorer
    reorder: Callable[[Sequences], Sequences]

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        largest = max((int(history.max()) for history in histories if len(history)), default=PADDING)
        reordered = self.reorder(Sequences.from_lists([h.tolist() for h in histories], largest))
        return self.scorer.score([reordered.user(row) for row in range(len(reordered))])


def _reordered(sequences: Sequences, key: NDArray[np.generic]) -> Sequences:
    user = np.repeat(np.arange(len(sequences)), sequences.lengths)  # [interactions]
    return replace(sequences, items=sequences.items[np.lexsort((key, user))])


def _once_a_user(test: Holdout) -> Sequences:
    """What came before the first test play of each user: histories of later ones hold test plays."""
    _, first = np.unique(test.users, return_index=True)
    return test.histories.rows(first)


def _sample(holdout: Holdout, rng: np.random.Generator) -> Holdout:
    if len(holdout) <= USERS:
        return holdout
    return holdout.rows(np.sort(rng.choice(len(holdout), USERS, replace=False)))


def _mean(
    name: str, values: NDArray[np.float64], seed: int, people: NDArray[np.int64] | None = None
) -> Figure:
    return Figure(name, float(values.mean()), *bootstrap_interval(values, seed=seed, people=people))


def _on_order(figures: Mapping[str, Figure]) -> str:
    real, shuffled = figures["markov_real_order"], figures["markov_shuffled_order"]
    gain = figures["gain_from_order"]
    stated = (
        f"A Markov chain finds the validation item with an NDCG@10 of {real.value:.4f} on the real order and "
        f"of {shuffled.value:.4f} when each history is shuffled"
    )
    interval = f"(difference {gain.value:+.4f}, 95 % interval {gain.low:+.4f} to {gain.high:+.4f})"
    if gain.low > 0:
        share = f", {gain.value / real.value:.0%} of what it finds" if real.value else ""
        return f"{stated}: the order tells something {interval}{share}."
    return f"{stated}: the order tells nothing that can be told from chance {interval}."


def _on_sorting(figures: Mapping[str, Figure]) -> str:
    by_id, larger = figures.get("markov_sorted_by_id"), figures.get("next_larger_id")
    if by_id is None or larger is None:
        return ""
    real, shuffled = figures["markov_real_order"].value, figures["markov_shuffled_order"].value
    text = f"Always naming the next larger id reaches {larger.value:.4f}, popularity "
    text += f"{figures['popularity'].value:.4f}, and the chain on histories sorted by id {by_id.value:.4f}"
    if figures["gain_from_order"].low <= 0:
        return f"{text}."
    explained = (by_id.value - shuffled) / (real - shuffled)
    if explained >= 0.9:
        return f"{text}: sorting by id gives all that the real order gives: it may be no more than ids."
    if explained > 0:
        return f"{text}: sorting by id alone gives {explained:.0%} of what the real order gives."
    return f"{text}: sorting by id gives nothing of what the real order gives."


def _on_transitions(figures: Mapping[str, Figure]) -> str:
    real, shuffled = figures["repeated_transitions"], figures["repeated_transitions_shuffled"]
    return (
        f"Of all steps from one item to the next, {real.value:.0%} occur more than once, "
        f"against {shuffled.value:.0%} in shuffled histories."
    )
