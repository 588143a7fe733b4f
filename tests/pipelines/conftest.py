"""What tests of the operator's commands share."""

import pytest

from assets.resources import Home


@pytest.fixture
def home(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home after a run, which the commands find in the environment."""
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return home
