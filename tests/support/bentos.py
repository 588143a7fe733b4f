"""Bentos that are neither built nor started, for tests of what comes before and after."""

from contextlib import nullcontext
from types import ModuleType

import pytest


def answer_at_once(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the Bentos that a module asks for be there, and answer as they should."""
    monkeypatch.setattr(module, "build", lambda *_: "nextplay:0")
    monkeypatch.setattr(module, "served", lambda *_: nullcontext(""))
    monkeypatch.setattr(module, "ask_golden", lambda *_: {})
