"""Every setting with its default and meaning, as `nextplay settings` and docs/settings.md show them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from pipelines.resources import GROUPS
from serving.environment import conditions

INTRODUCTION = """\
# Settings

Every setting is an environment variable. An empty one counts as unset, except those that lock the \
endpoint: keys, host names and blocklist must be filled in or unset. A wrong value ends the command with one \
sentence that names it; so does an unknown name, with the nearest known one. A setting that has no effect \
beside the others is a warning. Where `NEXTPLAY_SOURCE` is unset, a setting that only one source reads \
chooses that source: `NEXTPLAY_TABLE`, for one. A path may begin with `~`. Two more are not Nextplay's own: \
`DAGSTER_HOME` and `BENTOML_HOME` say where Dagster and BentoML keep their records, `dagster` and `bentoml` \
in the home by default.

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
        needed = ", and with ".join(str(only) for only in conditions(field))
        needed = f"; only with {needed}" if needed else ""
        yield Setting(f"{prefix}{name}".upper(), _default(field), f"{field.description or ''}{needed}")


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
