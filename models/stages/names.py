"""What staged models are called, and what stands in their bundles."""

from collections.abc import Iterable, Mapping
from typing import Any

STAGED = {"two_stage": "two_towers", "sasrec_ranked": "sasrec"}  # architecture -> the network that retrieves
COUNTING = ("transitions", "item_knn")  # baselines that tell a ranker what goes with the history

MEMBERS_FOLDER = "members"  # the bundles of the first stage and of what counts, by architecture
RANKER_FILE = "ranker.txt"  # the trees, as LightGBM writes them

# In the config:
FIRST = "first"  # the network that retrieves
NETWORK = "network"  # its settings
COUNTED = "counting"  # those of COUNTING that these data allow
RETRIEVED = "retrieved"  # items that the ranker looks at
SHARE = "first_share"  # of the first stage's score beside what the trees say
RULES = "rules"  # of re-ranking
SEED = "seed"


def networks_of(candidates: Iterable[str]) -> list[str]:
    """The networks that are trained for these candidates: those named, and those that retrieve for others."""
    return list(dict.fromkeys(STAGED.get(name, name) for name in candidates))


def member_names(config: Mapping[str, Any]) -> list[str]:
    """The parts of a bundle that are bundles themselves, the first stage first."""
    return [config[FIRST], *config[COUNTED]]
