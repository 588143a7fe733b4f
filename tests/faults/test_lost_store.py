"""The event store goes, or becomes another, under a running endpoint: what is acknowledged then is there."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.serving.conftest import publish_pointer, random_table, write_fake_bundle
from tests.support.servers import Server, deployment

pytestmark = pytest.mark.slow


def removed(file: Path) -> None:
    file.unlink()


def removed_with_its_log(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


def without_its_log(file: Path) -> None:
    for one in file.parent.glob(f"{file.name}-*"):
        one.unlink()


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def folder_moved_away(file: Path) -> None:
    file.parent.rename(file.parent.with_name("away"))


def a_link_to_another(file: Path) -> None:
    other = file.parent / "other.db"
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(other)) as new:
        old.backup(new)
    removed_with_its_log(file)
    file.symlink_to(other)


def an_older_copy(file: Path) -> None:
    """As a restore does it: a copy beside, then a rename, and the log of before is gone."""
    copy = file.parent / "copy.db"
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(copy)) as new:
        old.backup(new)
    without_its_log(file)
    copy.rename(file)


def noise(file: Path) -> None:
    file.write_bytes(os.urandom(100_000))


def a_folder(file: Path) -> None:
    removed_with_its_log(file)
    file.mkdir()


def a_fifo(file: Path) -> None:
    removed_with_its_log(file)
    os.mkfifo(file)


def a_link_to_itself(file: Path) -> None:
    removed_with_its_log(file)
    file.symlink_to(file)


WAYS = (
    removed, removed_with_its_log, without_its_log, emptied, folder_moved_away, a_link_to_another,
    an_older_copy, noise, a_folder, a_fifo, a_link_to_itself,
)  # fmt: skip


def send(endpoint: Server, event_id: str) -> httpx.Response:
    event = {"event_id": event_id, "user_id": "ada", "item_id": "7"}
    return httpx.post(f"{endpoint.url}/events", json={"events": [event]}, timeout=30)


def stored(file: Path) -> set[str]:
    """The ids that another program finds under the name; none where there is no store."""
    try:
        if not file.is_file():
            return set()
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as store:
            return {event_id for (event_id,) in store.execute("SELECT event_id FROM events")}
    except sqlite3.Error:
        return set()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_is_acknowledged_afterwards_is_in_what_has_the_name(
    way: Callable[[Path], None], tmp_path: Path
) -> None:
    publish_pointer(tmp_path / "champion.json", write_fake_bundle(tmp_path / "a", random_table(1)), "a1")
    file = tmp_path / "events" / "events.db"
    file.parent.mkdir()
    settings = {"NEXTPLAY_POINTER": str(tmp_path / "champion.json"), "NEXTPLAY_WORKERS": "1"}
    with deployment(tmp_path, NEXTPLAY_EVENTS=str(file), **settings) as endpoint:
        assert send(endpoint, "before").status_code == 200
        way(file)
        answers = {f"after-{number}": send(endpoint, f"after-{number}") for number in range(5)}
        acknowledged = {name for name, answer in answers.items() if answer.status_code == 200}
        for answer in answers.values():
            told = answer.json().get("detail", "")
            assert answer.status_code in (200, 503) and "\n" not in str(told), answer.text
        assert acknowledged <= stored(file), sorted(acknowledged - stored(file))
        served = endpoint.client.post("/recommend", json={"history": ["3"]})
        assert served.status_code == 200 and served.json()["items"]
        endpoint.kill()
        assert acknowledged <= stored(file)  # nor were they in a log that has gone with the process
    shutil.rmtree(tmp_path / "away", ignore_errors=True)
