"""Variables with the prefix NEXTPLAY_: which there are, how a wrong one is told, and which have no effect."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

PREFIX = "NEXTPLAY_"
NEAR = 0.8  # of the letters of a name that are those of another, where not every name is known
# What Kubernetes tells each pod of a service called nextplay, or nextplay-something; no setting of ours.
OF_KUBERNETES = re.compile(
    r"(\w+_)?(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
WORDS = {
    "int_parsing": "it must be a whole number",
    "int_parsing_size": "it must be a whole number, and a smaller one",
    "float_parsing": "it must be a number",
    "bool_parsing": "it must be true or false",
}
NO_OBJECT = ("json_invalid", "json_type", "dict_type")
PASSWORD = re.compile(r"(://[^/?#\s]*?:)[^\s]*(?=@)")  # in an address
LINK = re.compile(r"(tcp|udp|sctp)://")


@dataclass(frozen=True)
class Only:
    """A setting has an effect only where another has one of these values, or, without any, is set.

    Of a list, separated by commas, one of them has to be there; of an object, the fields of one of them,
    which are written as JSON. `otherwise` is another condition that does as well.
    """

    setting: str
    values: tuple[str, ...] = ()
    otherwise: "Only | None" = None

    def holds(self, settings: BaseModel) -> bool:
        return self._holds(getattr(settings, self.setting)) or (
            self.otherwise is not None and self.otherwise.holds(settings)
        )

    def _holds(self, value: Any) -> bool:
        if not self.values:
            return bool(value)
        if isinstance(value, Mapping):
            return any(json.loads(wanted).items() <= value.items() for wanted in self.values)
        return not {*str(value).split(",")}.isdisjoint(self.values)

    def __str__(self) -> str:
        needed = variable(self.setting)
        needed = f"{needed}={' or '.join(self.values)}" if self.values else needed
        return f"{needed} or {self.otherwise}" if self.otherwise else needed


def expanded(given: Any) -> Any:
    """A path whose `~` stands for somebody's home, as in a shell."""
    if not str(given).startswith("~"):
        return given
    try:
        return Path(given).expanduser()
    except RuntimeError:
        raise ValueError("nobody of that name has a home on this machine") from None


def is_link(given: object) -> bool:
    """Whether Kubernetes tells here of a service that is called as a setting is."""
    return isinstance(given, str) and LINK.match(given) is not None


Local = Annotated[Path, BeforeValidator(expanded)]
Port = Annotated[int, Field(ge=0, le=65_535)]


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"{PREFIX}{name}".upper()


def secrets_of(groups: Iterable[type[BaseSettings]]) -> set[str]:
    """Those of the variables whose values are shown to nobody."""
    fields = (item for group in groups for item in group.model_fields.items())
    return {variable(name) for name, field in fields if is_secret(field)}


def names_of(groups: Iterable[type[BaseSettings]]) -> list[str]:
    """The variables of these settings, in their order, each once."""
    return list(dict.fromkeys(variable(name) for group in groups for name in group.model_fields))


def given_names(environment: Mapping[str, str]) -> list[str]:
    """The variables with our prefix that are set, in any case; those that Kubernetes sets are none."""
    found = [name for name, value in environment.items() if value and name.upper().startswith(PREFIX)]
    return sorted(name for name in found if not _of_kubernetes(name.upper(), environment[name]))


def _of_kubernetes(name: str, value: str) -> bool:
    rest = name.removeprefix(PREFIX)
    if not OF_KUBERNETES.fullmatch(rest):
        return False
    return is_link(value) if rest.endswith("PORT") and "SERVICE" not in rest else True


def faults_in_names(
    environment: Mapping[str, str], known: Collection[str], all_known: bool, secrets: Collection[str] = ()
) -> Iterator[str]:
    """A sentence, without its full stop, for each name that is none, or is given twice; no secret is shown.

    Where others may have settings that are not `known` here, a name is none if it is near to one of ours.
    """
    named: dict[str, str] = {}
    for name in given_names(environment):
        first = named.setdefault(name.upper(), name)
        if environment[first] != environment[name]:
            yield f"{first} and {name} are one setting with two values: unset one of them"
        if name.upper() in known:
            if not_utf8(environment[name]):
                shown = "***" if name.upper() in secrets else _short(environment[name])
                yield f"{name}={shown} has bytes that are no UTF-8: rename what it names"
            continue
        nearest = difflib.get_close_matches(
            name.upper().removeprefix(PREFIX),
            [known_name.removeprefix(PREFIX) for known_name in known],
            n=1,
            cutoff=0.6 if all_known else NEAR,
        )
        if nearest:
            yield f"There is no setting {name}: the nearest is {PREFIX}{nearest[0]}"
        elif all_known:
            yield f"There is no setting {name}: unset it; nextplay settings lists those that there are"


def faults_in_values(error: ValidationError, settings: type[BaseSettings]) -> Iterator[str]:
    """A sentence, without its full stop, for each value that cannot be taken; secrets are not shown."""
    for fault in error.errors():
        why = WORDS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ").rstrip(".")
        why = why.replace("Input should be", "it must be")
        if not fault["loc"]:
            yield why
            continue
        name, *inside = map(str, fault["loc"])
        if not inside and fault["type"] in NO_OBJECT:
            examples = settings.model_fields[name].examples
            wrong = f"it is no JSON ({why.removeprefix('Invalid JSON: ')}): " * (
                fault["type"] == "json_invalid"
            )
            why = f"{wrong}give a JSON object{f', such as {examples[0]}' if examples else ''}"
        shown = "***" if is_secret(settings.model_fields[name]) else _short(fault["input"])
        yield f"{variable(name)}{f' at {inside[0]}' if inside else ''}={shown}: {why}"


def not_utf8(text: str) -> bool:
    """Whether a text from the environment, or a path, holds bytes that Python could not read."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)


def _short(value: object) -> str:
    """A value as it is shown: not very long, and of an address without the password."""
    text = PASSWORD.sub(r"\1***", value if isinstance(value, str) else repr(value))
    return repr(text if len(text) <= 100 else text[:100] + "…")


def is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation) or isinstance(field.default, SecretStr)


def conditions(field: FieldInfo) -> list[Only]:
    """Where a setting has an effect; everywhere, if there are none."""
    return [only for only in field.metadata if isinstance(only, Only)]


def without_effect(settings: BaseSettings) -> Iterator[str]:
    """A sentence for each setting that was given, is not its default, and changes nothing beside others."""
    for name in sorted(settings.model_fields_set):
        field = type(settings).model_fields[name]
        default = field.get_default(call_default_factory=True, validated_data={})
        if str(getattr(settings, name)) == str(default):  # one of JSON is written as text
            continue
        unmet = next((only for only in conditions(field) if not only.holds(settings)), None)
        if unmet:
            now = getattr(settings, unmet.setting)
            instead = f"with {variable(unmet.setting)}={now}" if now and unmet.values else f"without {unmet}"
            needed = f"; it needs {unmet}" if now and unmet.values else ""
            yield f"{variable(name)} has no effect {instead}{needed}."


def each_key_once(text: Any) -> Any:
    """The text of a JSON object in which no key stands twice: the last would count, and nothing say so."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in pairs:
            if key in made and value != made[key]:
                given = (
                    f"{json.dumps(key)}: {json.dumps(made[key])} and {json.dumps(key)}: {json.dumps(value)}"
                )
                raise ValueError(f"it has {given}, one setting with two values: leave one of them out")
            made[key] = value
        return made

    with suppress(json.JSONDecodeError, TypeError, RecursionError):  # told by who reads the value
        json.loads(text, object_pairs_hook=distinct)
    return text


ONCE = BeforeValidator(each_key_once)  # of a JSON object
