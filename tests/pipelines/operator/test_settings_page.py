"""docs/settings.md is true: it is what the settings say of themselves."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.operator.cli import answer
from pipelines.operator.settings import GROUPS, Setting, markdown, settings_of
from pipelines.resources import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "settings.md"


def test_the_page_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGE.read_text(encoding="utf-8") == markdown(), "nextplay settings --markdown > docs/settings.md"
    assert answer(["settings", "--markdown"]) == 0
    assert capsys.readouterr().out == markdown()


@pytest.mark.parametrize("group", [group for group, _ in GROUPS.values()], ids=lambda group: group.__module__)
def test_every_setting_has_a_meaning(group: type[BaseSettings], capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["settings"]) == 0
    shown = capsys.readouterr().out
    for setting in settings_of(group):
        assert len(setting.meaning) > 8 and f"  {setting.name}" in shown and setting.meaning in shown


def test_a_setting_with_two_conditions_names_both() -> None:
    (cutoffs,) = (s for s in settings_of(Settings) if s.name == "NEXTPLAY_CUTOFFS")
    _, _, needed = cutoffs.meaning.partition("; ")
    assert needed.startswith("only with NEXTPLAY_SPLIT=auto or temporal, and with NEXTPLAY_SOURCE=")


def test_a_default_is_written_as_the_variable_takes_it() -> None:
    class Some(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SOME_")

        switch: bool = Field(default=True, description="on or off")
        secret: SecretStr = Field(default=SecretStr("x"), description="hidden elsewhere")
        machine: int = Field(default_factory=lambda: 64, description="of this machine")
        nothing: str | None = Field(default=None, description="left out")

    assert list(settings_of(Some)) == [
        Setting("SOME_SWITCH", "true", "on or off"),
        Setting("SOME_SECRET", "x", "hidden elsewhere"),
        Setting("SOME_MACHINE", "", "of this machine"),
        Setting("SOME_NOTHING", "", "left out"),
    ]
