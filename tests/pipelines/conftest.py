"""What tests of the operator's commands share."""

from collections.abc import Callable

import pytest

from assets.resources import Home


@pytest.fixture
def home(copied_run: Callable[[], Home], monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home after a run, which the commands find in the environment."""
    home = copied_run()
    monkeypatch.setenv("NEXTPLAY_HOME", home.path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    return home
