"""Every network, for tests that are run once for each."""

import pytest

from models.networks import NETWORKS

USUAL = ("sasrec", "gru4rec")  # that a night trains by default

# For what takes seconds a network, such as an export: the others are left to the long suites.
WITH_PATIENCE = [name if name in USUAL else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
every_network_with_patience = pytest.mark.parametrize("name", WITH_PATIENCE)
