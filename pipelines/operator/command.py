"""What every command of the operator has in common: its home, and mistakes told in one sentence."""

import sys
from collections.abc import Callable

from assets.release.promotion import PromotionError
from assets.resources import Home
from assets.state.backup import BackupError
from assets.state.bundles import MissingBundleError
from assets.state.lake import LakeError
from assets.tracking.tracking import TrackingError
from assets.training.reproduction import ReproductionError
from assets.training.tuning import TuningError
from models.bundle.bundle import BundleError
from models.config import ConfigError
from pipelines.resources import Settings, SettingsError, home_of, read_settings
from serving.state.events import EventStoreError

MISTAKES = (
    BackupError,
    BundleError,
    ConfigError,
    EventStoreError,
    LakeError,
    MissingBundleError,
    PromotionError,
    ReproductionError,
    SettingsError,
    TrackingError,
    TuningError,
)


def run_command(action: Callable[[Settings, Home], str]) -> int:
    """Do it and print what it says; returns the exit status, 1 after a mistake."""
    try:
        settings = read_settings()
        home = home_of(settings)
        sys.stdout.write(f"{action(settings, home)}\n")
    except MISTAKES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
