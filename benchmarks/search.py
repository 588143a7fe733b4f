"""One search for every contender: the same settings, budgets and choices, by validation alone.

Twenty settings are drawn once from one space. Each contender trains all of them for a few epochs, and the
best of them for more, from the start again (successive halving: Jamieson and Talwalkar, AISTATS 2016). The
one that is best then is trained until nothing improves, from each seed, and only there is test looked at.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data import Sequences

TRIALS = 20
WIDTHS = (32, 64, 128)
LEAST_DROPOUT, MOST_DROPOUT = 0.1, 0.6
RATE_FACTOR = 3.0  # the rate is this many times the contender's default at most, and a third of it at least
FULL_UP_TO = 4_096  # items; above, the loss over the full catalogue takes the peers too long
FINAL_SEEDS = (0, 1, 2)
Job = Mapping[str, Any]  # what a contender is told; its result repeats it, and adds what was found
Result = Mapping[str, Any]


@dataclass(frozen=True)
class Rung:
    """So many of the best settings, trained for so many epochs."""

    trials: int
    epochs: int


RUNGS = (Rung(TRIALS, 2), Rung(5, 8))
LONGEST, PATIENCE = (
    60,
    5,
)  # of the final training; ours keeps its own, as its rate falls to 0 at the last epoch


@dataclass(frozen=True)
class Space:
    """What may be drawn for a data set."""

    lengths: tuple[int, ...]
    losses: tuple[str, ...]

    @classmethod
    def of(cls, train: Sequences) -> "Space":
        """Lengths: the power of two that nine of ten histories do not exceed, and twice as much."""
        length = 2 ** int(np.ceil(np.log2(np.quantile(train.lengths, 0.9))))
        losses = ("sampled", "binary") + (("full",) if train.n_items <= FULL_UP_TO else ())
        return cls((length, 2 * length), losses)

    def draw(self, trials: int = TRIALS, seed: int = 0) -> list[dict[str, Any]]:
        """So many settings; each dimension is covered evenly (Latin hypercube: McKay et al. 1979)."""
        rng = np.random.default_rng(seed)
        columns = [(rng.permutation(trials) + rng.random(trials)) / trials for _ in range(5)]
        return [self._setting(point) for point in np.transpose(columns)]

    def _setting(self, point: NDArray[np.float64]) -> dict[str, Any]:
        width, dropout, rate, length, loss = point  # each in [0, 1)
        return {
            "width": _one_of(WIDTHS, width),
            "dropout": round(LEAST_DROPOUT + float(dropout) * (MOST_DROPOUT - LEAST_DROPOUT), 3),
            "rate": round(RATE_FACTOR ** (2 * float(rate) - 1), 3),
            "length": _one_of(self.lengths, length),
            "loss": _one_of(self.losses, loss),
        }


def _one_of(options: Sequence[Any], place: float) -> Any:
    return options[int(place * len(options))]


@dataclass(frozen=True)
class Study:
    """One contender on one data set: which trainings it takes, and which of them are still missing."""

    data: str
    split: str  # fingerprint
    contender: str
    space: Space
    own: Mapping[str, Any] = field(default_factory=dict)  # settings that are not searched
    searched: bool = True  # False: the contender's own settings, final trainings only
    own_schedule: bool = False  # True: final trainings end as the contender's own rule says
    seeds: int = len(FINAL_SEEDS)  # of final trainings, the first so many

    def missing(self, results: Iterable[Result]) -> list[Job]:
        """The trainings of the first stage that is not complete; none when all is done."""
        known = list(results)
        stages = ([job for job in jobs if find(job, known) is None] for jobs in self._stages(known))
        return next((jobs for jobs in stages if jobs), [])

    def done(self, results: Iterable[Result], final: bool) -> list[Result]:
        """The trainings that are done: the final ones, or those of the search."""
        found: list[Result] = []
        known = list(results)
        for jobs in self._stages(known):
            of_stage = [result for job in jobs if (result := find(job, known))]
            found += of_stage if jobs[0]["test"] == final else []
            if len(of_stage) < len(jobs):
                break
        return found

    def _stages(self, done: Sequence[Result]) -> Iterator[list[Job]]:
        """Each stage follows from the results of the one before it, so ask only when those are complete."""
        if not self.searched:
            yield [self._final(self.own, seed) for seed in FINAL_SEEDS[: self.seeds]]
            return
        settings = [{**self.own, **drawn} for drawn in self.space.draw()]
        for number, rung in enumerate(RUNGS, start=1):
            jobs = [self._trial(number, rung, chosen) for chosen in settings[: rung.trials]]
            yield jobs
            settings = ranked(jobs, done)
        yield [self._final(settings[0], seed) for seed in FINAL_SEEDS[: self.seeds]]

    def _trial(self, number: int, rung: Rung, settings: Mapping[str, Any]) -> Job:
        return self._job(f"rung {number}", settings, 0, rung.epochs, rung.epochs)

    def _final(self, settings: Mapping[str, Any], seed: int) -> Job:
        epochs, patience = (0, 0) if self.own_schedule else (LONGEST, PATIENCE)
        return self._job("final", settings, seed, epochs, patience)

    def _job(self, stage: str, settings: Mapping[str, Any], seed: int, epochs: int, patience: int) -> Job:
        return {
            "data": self.data, "split": self.split, "contender": self.contender, "stage": stage,
            "settings": dict(settings), "seed": seed, "epochs": epochs, "patience": patience,
            "test": stage == "final",
        }  # fmt: skip


def find(job: Job, results: Iterable[Result]) -> Result | None:
    """The result of exactly this training."""
    return next((r for r in results if all(r.get(name) == value for name, value in job.items())), None)


def peak(result: Result) -> float:
    """The best validation NDCG@10 of a training."""
    return float(max(result["curve"]))


def ranked(jobs: Iterable[Job], results: Sequence[Result]) -> list[dict[str, Any]]:
    """The settings of these trainings, the best on validation first; of equals the one drawn first."""
    found = [(find(job, results), job["settings"]) for job in jobs]
    return [s for _, s in sorted(found, key=lambda pair: -peak(pair[0]) if pair[0] else np.inf)]
