"""Every setting with its default and meaning, as `nextplay settings` and docs/settings.md show them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from assets.resources import Shared
from pipelines.resources import Settings
from serving.settings import Deployment
from serving.settings import Settings as Endpoint

GROUPS: dict[str, tuple[type[BaseSettings], str]] = {
    "The pipeline": (Settings, "Read by every command and by Dagster, when it starts."),
    "Several machines": (Shared, "For more than one machine, see [scale.md](scale.md). They are secrets."),
    "The endpoint": (Endpoint, "Read by `nextplay serve`, `nextplay demo`, `python -m serving` and a Bento."),
    "The endpoint's processes": (Deployment, "Read by `python -m serving` alone."),
}
INTRODUCTION = """\
# Settings

Every setting is an environment variable. An empty one counts as unset, and a wrong value is one sentence \
that names it. Two more are not Nextplay's own: `DAGSTER_HOME` and `BENTOML_HOME` say where Dagster and \
BentoML keep their records, `dagster` and `bentoml` in the home by default.

This page is made from the code: `nextplay settings --markdown > docs/settings.md`.
"""


@dataclass(frozen=True)
class Setting:
    """An environment variable; its default is empty where there is none, or the machine decides."""

    name: str
    default: str
    meaning: str


def settings_of(group: type[BaseSettings]) -> Iterator[Setting]:
    """The settings of a group, in their order."""
    prefix = group.model_config.get("env_prefix", "")
    for name, field in group.model_fields.items():
        yield Setting(f"{prefix}{name}".upper(), _default(field), field.description or "")


def markdown() -> str:
    """The page docs/settings.md."""
    return "\n".join([INTRODUCTION, *(_section(title, *group) for title, group in GROUPS.items())])


def listing() -> str:
    """The same for a terminal."""
    lines = []
    for title, (group, _) in GROUPS.items():
        lines.append(f"{title}\n")
        for setting in settings_of(group):
            lines.append(f"  {setting.name}{'=' if setting.default else ''}{setting.default}")
            lines.append(f"      {setting.meaning}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _section(title: str, group: type[BaseSettings], what: str) -> str:
    rows = [
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} | {setting.meaning} |"
        for setting in settings_of(group)
    ]
    head = ["| Variable | Default | Meaning |", "|---|---|---|"]
    return "\n".join([f"## {title}", what, "", *head, *rows, ""])


def _default(field: FieldInfo) -> str:
    value: Any = field.default if field.default_factory is None else None
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
