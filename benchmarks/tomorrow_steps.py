"""The steps from item numbers to the whole, one by one: what each adds to a network on dated plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.baselines import BASELINES
from models.blend.learning import choices, choose, with_new
from models.data import Holdout
from models.scorer import Scorer

STEPPED = "steam-dated"  # the data set with all that a step may need


@dataclass(frozen=True)
class Step:
    """A network with changed settings, or networks that are there with baselines beside them."""

    words: str
    architecture: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    networks: Sequence[str] = ()
    baselines: Sequence[str] = ()


IDS = {"content": 0.0}
STEPS = {
    "sasrec-ids": Step("SASRec, item numbers alone", "sasrec", IDS),
    "sasrec-ids-prior": Step(
        "SASRec, item numbers, and the prior: a blend with `recent_popularity`",
        networks=["sasrec-ids"],
        baselines=["recent_popularity"],
    ),
    "sasrec-recent": Step(
        "SASRec, item numbers, recent plays count more (`half_life` 90)", "sasrec", IDS | {"half_life": 90.0}
    ),
    "sasrec": Step("SASRec with content, as by default there"),
    "sasrec-prior": Step(
        "SASRec with content and the prior", networks=["sasrec"], baselines=["recent_popularity"]
    ),
    "sasrec-new": Step(
        "SASRec with content, the prior and what the catalogue says of new games",
        networks=["sasrec"],
        baselines=["recent_popularity", "content", "new_releases"],
    ),
    "ensemble": Step(
        "SASRec, GRU4Rec and every baseline that helps",
        networks=["sasrec", "gru4rec"],
        baselines=list(BASELINES),
    ),
}


def weights(members: Mapping[str, Scorer], networks: Sequence[str], validation: Holdout) -> dict[str, float]:
    """Of a blend, learned on validation, whether or not it is surely better there."""
    names = list(members)
    return with_new(members, choose(choices(members, validation), names, networks), validation)
