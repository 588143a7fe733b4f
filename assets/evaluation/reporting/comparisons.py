"""The submitted candidate against the others, on all test users and on slices of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assets.evaluation.reporting.evidence import Model, RunEvidence
from models.evaluation.slices import (
    Comparison,
    Slice,
    all_slices,
    compare,
    holm,
)
from models.evaluation.stats import SEED

EVERYBODY = "all test users"


@dataclass(frozen=True)
class Compared:
    """A comparison of the candidate with `other`, with p corrected for all that are shown together."""

    other: Model
    kind: str
    label: str
    result: Comparison
    corrected_p: float


def paired(run: RunEvidence, candidate: Model) -> list[Compared]:
    """The candidate against every other model on all test users; one family for Holm's correction."""
    others = [model for model in run.models if model is not candidate]
    everybody = Slice(EVERYBODY, EVERYBODY, np.ones(len(run.users), dtype=np.bool_))
    return _family(candidate, [(other, everybody) for other in others], run.people)


def by_slice(run: RunEvidence, candidate: Model) -> list[Compared]:
    """The candidate on every slice, against the champion and the best baseline; a family for each of them."""
    slices = slices_of(run)
    return [
        c for other in run.references for c in _family(candidate, [(other, s) for s in slices], run.people)
    ]


def slices_of(run: RunEvidence) -> list[Slice]:
    """Test users by length of history, being new, recency, popularity of the next item, and step to it."""
    return all_slices(
        run.histories, run.targets, run.trained, run.train, run.items.counts, run.gaps, run.units_a_second
    )


def stated_p(p: float) -> str:
    """A p value as text, no finer than it can be believed."""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _family(
    candidate: Model, pairs: Sequence[tuple[Model, Slice]], people: NDArray[np.str_] | None
) -> list[Compared]:
    own = candidate.ndcg  # [plays]
    results = [
        compare(
            own[s.users], other.ndcg[s.users],
            seed=SEED, people=None if people is None else people[s.users],
        )
        for other, s in pairs
    ]  # fmt: skip
    corrected = holm([result.p for result in results])
    return [
        Compared(other, s.kind, s.label, result, p)
        for (other, s), result, p in zip(pairs, results, corrected, strict=True)
    ]
