"""What the commands find around them: variables with their defaults, and a home that they may write in."""

import os
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from models.mistakes import UserError
from serving.private import keep_private

if TYPE_CHECKING:
    from assets.resources import Home
    from pipelines.resources import Settings

OURS = ("# Written by nextplay", "# Copied into DAGSTER_HOME by `make setup`")  # now, and in older homes
PARTS = (
    *("lake", "raw", "codes", "bundles", "champion", "checkpoints", "reports", "reproduced"),
    *("mlflow", "bentoml", "events", "dagster", "run.lock", "home.json", "backup.json"),
)  # what is written below the home
MARKER = ".nextplay"  # in a home: it is one; then, after NUL bytes, what was there before
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}


class HomeError(UserError):
    """The folder of all state cannot be used."""


def set_defaults() -> None:
    """Say where this process, and those that it starts, keep things; they tell nobody that they are used.

    A setting in small letters gets its proper name, which other programs look for, and a `~` its meaning.
    What they write is for its owner alone.
    """
    keep_private()
    for name in [name for name in os.environ if name.upper().startswith("NEXTPLAY_") and not name.isupper()]:
        if name.upper() not in os.environ:
            os.environ[name.upper()] = os.environ.pop(name)
    for name in ("NEXTPLAY_HOME", "DAGSTER_HOME", "BENTOML_HOME"):
        if os.environ.get(name):
            os.environ[name] = os.path.expanduser(os.environ[name])  # noqa: PTH111 (never raises)
    if not os.environ.get("NEXTPLAY_HOME"):
        os.environ["NEXTPLAY_HOME"] = str(Path("var").resolve())
    home = Path(os.environ["NEXTPLAY_HOME"]).resolve()
    for name in ("DAGSTER_HOME", "BENTOML_HOME"):
        if not os.environ.get(name):
            os.environ[name] = str(home / name.removesuffix("_HOME").lower())
    os.environ.setdefault("DAGSTER_FILES", str(home / "dagster"))  # where deploy/dagster.yaml keeps logs
    for name, value in QUIET.items():
        os.environ[name] = os.environ.get(name) or value


def open_home() -> "tuple[Settings, Home]":
    """The settings and the home that they name, ready to be worked in. Raises SettingsError, HomeError."""
    from pipelines.resources import home_of

    settings = checked_settings()
    prepare_home(settings.home)
    return settings, home_of(settings)


def checked_settings() -> "Settings":
    """The settings; what has no effect is told. Raises SettingsError."""
    from pipelines.resources import read_settings
    from serving.environment import without_effect

    settings = read_settings()
    for sentence in without_effect(settings):
        sys.stderr.write(f"  warning {sentence}\n")
    return settings


def prepare_home(home: Path) -> None:
    """Make the home, with what Dagster reads, and see that it can be written. Raises HomeError."""
    check_home(home)
    tell_of_other_owner(home)
    check_dagsters_path()
    mark(home)
    folder = home.resolve() / "dagster"
    if os.environ.get("DAGSTER_HOME") != str(folder):
        return
    folder.mkdir(exist_ok=True)
    shipped, there = (
        (files("pipelines") / "dagster.yaml").read_text(encoding="utf-8"),
        folder / "dagster.yaml",
    )
    if not there.exists() or there.read_text(encoding="utf-8").startswith(OURS):
        there.write_text(shipped, encoding="utf-8")


def tell_of_other_owner(home: Path) -> None:
    """Warn whom nothing hinders, such as root in a container, of a home that somebody else works in."""
    owner, user = home.stat().st_uid, os.geteuid()
    if owner != user:
        sys.stderr.write(
            f"  warning The home {home} belongs to user {owner}, and this is user {user}: what is "
            f"written now is closed to its owner. {ADVICE[0].upper()}{ADVICE[1:]}\n"
        )


def check_dagsters_path() -> None:
    """Raises HomeError where Dagster, which does not quote the paths of its databases, would open another."""
    from sqlalchemy.engine import make_url

    database = f"{os.environ.get('DAGSTER_HOME', '')}/runs.db"
    if make_url(f"sqlite:///{database}").database != database:
        raise HomeError(
            f"Dagster cannot keep its records in {os.environ['DAGSTER_HOME']}, as it takes a % or ? in a "
            "path for a code: name a folder without such characters with DAGSTER_HOME, or with NEXTPLAY_HOME."
        )


def mark(home: Path) -> None:
    """Note in a folder that it is a home, and what was there before: `make clean` leaves that alone."""
    marker = home / MARKER
    if not marker.exists():
        before = [] if looks_like_home(home) else sorted(path.name for path in home.iterdir())
        marker.write_bytes(b"\0".join(map(os.fsencode, ["A home of Nextplay. Here before it:\n", *before])))
        if set(before) <= set(PARTS):  # it is nobody else's, too
            home.chmod(home.stat().st_mode & ~0o077)


def looks_like_home(folder: Path) -> bool:
    """By its marker, or by what homes of before it hold."""
    return any((folder / name).exists() for name in (MARKER, "run.lock", "lake/lake.lock"))


def check_home(home: Path) -> None:
    """Make the home if it is missing. Raises HomeError where this user may not write in it.

    What somebody else keeps there, such as a disk's lost+found, is left alone.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(f"The home {home} cannot be used ({error.strerror}): {ADVICE}") from None
    there = (home, *filter(os.path.lexists, (home / part for part in PARTS)))
    closed = next((path for path in there if not os.access(path, os.W_OK)), None)
    if closed:
        raise HomeError(f"{closed} cannot be written, and the home must be: {ADVICE}")
    wrong = next((path for path in there if "." not in path.name and not path.is_dir()), None)
    if wrong:
        raise HomeError(f"{wrong} is no folder, and the home keeps one there: move it away.")


ADVICE = "run as the user who owns it, or name another folder with NEXTPLAY_HOME."
