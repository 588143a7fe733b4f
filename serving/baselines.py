"""The baselines that the champion had to beat, for people who compare them on the demo page."""

from collections.abc import Mapping
from pathlib import Path

from models.bundle.bundle import BundleError
from serving import telemetry
from serving.recommender import Recommender


def load_baselines(folders: Mapping[str, Path], champion: Recommender) -> dict[str, Recommender]:
    """Those that can be opened and know the champion's items. One that cannot is left out, and a log line
    says why: nothing here may keep the champion from serving."""
    loaded = {}
    for name, folder in folders.items():
        try:
            loaded[name] = Recommender(folder, beside=champion)
        except Exception as error:
            bug = None if isinstance(error, BundleError) else error
            telemetry.log("baseline not loaded", error=bug, baseline=name, reason=str(error))
    return loaded
