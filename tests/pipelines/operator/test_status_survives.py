"""`make status` names the one thing that cannot be read, and shows the rest."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.resources import Home
from pipelines.operator.status import Status, Version, read_status, size
from pipelines.operator.status_page import rendered
from pipelines.resources import Settings
from tests.fixtures.last_release import unpack

GARBAGE = b"\0garbage" * 64


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack(tmp_path_factory.mktemp("kept") / "home")


@pytest.fixture
def status(kept: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Status]:
    monkeypatch.setenv("DAGSTER_HOME", str(kept / "dagster"))
    return lambda: read_status(Settings(home=kept), Home(path=str(kept)))


@pytest.fixture
def broken(kept: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Gives a file of the home another content; it has its own again at the end."""
    before: dict[Path, bytes] = {}

    def put(pattern: str, content: bytes) -> None:
        path = next(kept.glob(pattern))
        before[path] = path.read_bytes()
        path.write_bytes(content)

    yield put
    for path, content in before.items():
        path.write_bytes(content)


NEWER = json.dumps({"format": 99}).encode()
UNREADABLE = [
    ("champion/pointer.json", GARBAGE, "pointer"),
    ("champion/pointer.json", NEWER, "newer release"),
    ("champion/history.json", GARBAGE, "history.json is damaged"),
    ("champion/history.json", b'[{"pointer": 1}]', "history.json is damaged"),
    ("champion/past.json", b'{"a": 1}', "past.json is damaged"),
    ("lake/pointer.json", GARBAGE, "pointer.json is damaged"),
    ("lake/pointer.json", NEWER, "newer release"),
    ("lake/tables/sequences/*/version.json", NEWER, "newer release"),
    ("mlflow/mlflow.db", GARBAGE, "MLflow's store"),
    ("dagster/history/runs.db", GARBAGE, "Dagster's records cannot be read"),
    ("bundles/graph-refit-3c4f7900395807a6/manifest.json", NEWER, "newer release"),
    ("bundles/graph-refit-3c4f7900395807a6/manifest.json", GARBAGE, "missing or damaged"),
    ("reports/*.json", b"[1, 2]", ""),
]


@pytest.mark.parametrize(("what", "content", "told"), UNREADABLE)
def test_one_unreadable_thing_is_named_and_the_rest_is_shown(
    what: str, content: bytes, told: str, broken: Callable[[str, bytes], None],
    status: Callable[[], Status], kept: Path,
) -> None:  # fmt: skip
    broken(what, content)
    found = status()
    page = rendered(found, colour=False)
    assert told in "\n".join(found.attention) and "Traceback" not in page
    assert all(sentence.count("\n") == 0 for sentence in found.attention)
    assert found.sizes and found.home == str(kept)
    if not what.startswith("champion/pointer"):
        assert found.champion is not None and found.champion.version == "19"
    if not what.startswith("mlflow"):
        assert found.versions
    if not what.startswith(("champion/past", "champion/pointer")):
        assert [champion.version for champion in found.before] == ["1", "10"]
    if not what.startswith("dagster"):
        assert found.nights


def test_a_page_of_many_years_is_no_longer_than_one_of_a_year(status: Callable[[], Status]) -> None:
    found = status()
    many = [Version(str(number), f"night {number}") for number in range(816, 0, -1)]
    page = rendered(replace(found, versions=many, before=found.before * 200), colour=False)
    assert len(page.splitlines()) < 150
    assert " 816  night 816" in page and " 797  night 797" in page and "night 796" not in page
    assert "and 796 older ones, which JSON=1 and make mlflow name" in page


def test_what_a_disk_does_not_give_hides_no_size(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, look = size(kept / "reports"), Path.lstat

    def lstat(path: Path) -> os.stat_result:
        if path.suffix == ".html":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return look(path)

    monkeypatch.setattr(Path, "lstat", lstat)
    assert 0 < size(kept / "reports") < before
