"""What a network has to beat, by name. A new baseline is a file here and an entry in `BASELINES`.

Opened by serving too: scoring and loading need NumPy and safetensors alone, and fitting alone needs SciPy.
"""

from models.baselines.base import Baseline, Facts, NotApplicableError
from models.baselines.content import Content
from models.baselines.ease import Ease
from models.baselines.graph import Graph
from models.baselines.item_knn import ItemKnn
from models.baselines.markov import SMOOTHING, SMOOTHINGS, Markov
from models.baselines.new_releases import NewReleases
from models.baselines.next_larger_id import NextLargerId
from models.baselines.own_history import MostFrequent, MostRecent
from models.baselines.popularity import Popularity, RecentPopularity
from models.baselines.transitions import Transitions

__all__ = [
    "BASELINES",
    "SMOOTHING",
    "SMOOTHINGS",
    "Baseline",
    "Content",
    "Ease",
    "Facts",
    "Graph",
    "ItemKnn",
    "Markov",
    "MostFrequent",
    "MostRecent",
    "NewReleases",
    "NextLargerId",
    "NotApplicableError",
    "Popularity",
    "RecentPopularity",
    "Transitions",
]

BASELINES: dict[str, type[Baseline]] = {
    baseline.architecture: baseline
    for baseline in (
        Popularity,
        RecentPopularity,
        MostRecent,
        MostFrequent,
        NextLargerId,
        Markov,
        Transitions,
        Graph,
        ItemKnn,
        Ease,
        Content,
        NewReleases,
    )
}
