"""From a configured source to raw files."""

import gzip
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assets.ingest import generated
from assets.ingest.download import DownloadError, DownloadSettings
from assets.ingest.raw_file import RawFile, Request, SourceError
from assets.ingest.source import DataSource
from assets.ingest.sources import SOURCES, resolve, sample, steam_reviews
from assets.ingest.sources import steam as lab
from assets.resources import Source

QUICK = DownloadSettings(tries=2, first_wait=0.01, longest_wait=0.02, connect_timeout=2.0, read_timeout=5.0)
LIBRARIES = gzip.compress(b"{'user_id': 'ada', 'items': []}\n" * 500, mtime=0)
GAMES = gzip.compress(b"{u'id': u'10'}\n", mtime=0)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a host publishes under the address of the Steam data."""
    folder = tmp_path / "published"
    folder.mkdir()
    (folder / "australian_users_items.json.gz").write_bytes(LIBRARIES)
    (folder / "steam_games.json.gz").write_bytes(GAMES)
    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{host.server_port}/"
    libraries = replace(lab.LIBRARIES, address=address + "australian_users_items.json.gz", sha256=None)
    monkeypatch.setattr(lab, "ADDRESS", address)
    monkeypatch.setattr(lab, "LIBRARIES", libraries)
    monkeypatch.setattr(lab, "GAMES", replace(lab.GAMES, address=address + "steam_games.json.gz"))
    yield folder
    host.shutdown()
    host.server_close()
    thread.join()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "home" / "raw"


@pytest.fixture
def given(tmp_path: Path) -> Path:
    path = tmp_path / "given libraries.gz"
    path.write_bytes(LIBRARIES)
    return path


def steam(raw: Path, **changes: Any) -> list[RawFile]:
    return resolve(Request(Source(name="steam", **changes), raw, QUICK))


def refusal(raw: Path, **changes: Any) -> str:
    with pytest.raises(SourceError) as caught:
        steam(raw, **changes)
    return str(caught.value)


def test_steam_is_downloaded_and_then_unchanged(published: Path, raw: Path) -> None:
    first = steam(raw)
    second = steam(raw)

    assert (
        first
        == second
        == [
            RawFile(
                "libraries",
                raw / "steam" / "australian_users_items.json.gz",
                sha256(LIBRARIES),
                len(LIBRARIES),
                lab.ADDRESS + "australian_users_items.json.gz",
            ),
            RawFile(
                "games",
                raw / "steam" / "steam_games.json.gz",
                sha256(GAMES),
                len(GAMES),
                lab.ADDRESS + "steam_games.json.gz",
            ),
        ]
    )
    assert [file.how for file in first] == ["downloaded"] * 2
    assert [file.how for file in second] == ["unchanged"] * 2


def test_the_libraries_of_the_lab_are_pinned() -> None:
    published = [lab.LIBRARIES, lab.GAMES, steam_reviews.REVIEWS]
    assert {file.address: file.sha256 for file in published if file.sha256} == {
        "https://mcauleylab.ucsd.edu/public_datasets/data/steam/australian_users_items.json.gz": (
            "0b329f79ddf450aba0aad923c8cb6d1affac0c98efaf70242d22fd10987a8d99"
        )
    }


def test_the_pin_holds_for_its_own_address_alone(
    published: Path, raw: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "LIBRARIES", replace(lab.LIBRARIES, sha256="0" * 64))
    (published / "mirror.gz").write_bytes(LIBRARIES)

    with pytest.raises(DownloadError, match="SHA-256"):
        steam(raw)
    assert steam(raw, libraries=f"{lab.ADDRESS}mirror.gz")[0].sha256 == sha256(LIBRARIES)
    assert steam(raw, libraries=str(given))[0].sha256 == sha256(LIBRARIES)


def test_given_files_are_used_where_they_are(raw: Path, given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    games = given.with_name("games.gz")
    games.write_bytes(GAMES)
    monkeypatch.setenv("HOME", str(given.parent))

    files = steam(raw, libraries=f"~/{given.name}", games=games.as_uri())

    assert files == [
        RawFile("libraries", given, sha256(LIBRARIES), len(LIBRARIES), given.as_uri()),
        RawFile("games", games, sha256(GAMES), len(GAMES), games.as_uri()),
    ]
    assert [file.how for file in files] == ["in place"] * 2
    assert not raw.exists()


def test_a_relative_path_starts_at_the_working_folder(
    published: Path, raw: Path, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(given.parent)

    assert steam(raw, libraries=given.name)[0].path == given


def test_another_address_replaces_the_usual_one(published: Path, raw: Path) -> None:
    (published / "mirror.gz").write_bytes(LIBRARIES + GAMES)
    address = f"{lab.ADDRESS}mirror.gz"

    file = steam(raw, libraries=address)[0]

    assert (file.address, file.bytes) == (address, len(LIBRARIES + GAMES))


def test_credentials_of_an_address_are_not_recorded(published: Path, raw: Path) -> None:
    address = lab.GAMES.address.replace("http://", "http://ada:hunter2@")

    assert steam(raw, games=address)[1].address == lab.GAMES.address


def test_an_empty_setting_is_none(published: Path, raw: Path) -> None:
    assert steam(raw, libraries="", games="")[1].address == lab.GAMES.address


def test_offline_names_the_variable_of_the_file_that_is_missing(raw: Path, given: Path) -> None:
    with pytest.raises(DownloadError) as caught:
        steam(raw, libraries=str(given), games="http://no-such-host.invalid/steam_games.json.gz")

    assert str(caught.value) == (
        "Cannot download steam_games.json.gz: the host did not answer after 2 tries. "
        "Give a copy with NEXTPLAY_STEAM_GAMES=path, or run the built-in sample with SOURCE=sample."
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"{}", "is not a gzip file, or only a part of one"),
        (LIBRARIES[:-20], "is not a gzip file, or only a part of one"),
    ],
)
def test_a_given_file_that_is_no_gzip_file_is_refused(
    raw: Path, given: Path, content: bytes, fault: str
) -> None:
    given.write_bytes(content)

    assert refusal(raw, libraries=str(given)) == (
        f"NEXTPLAY_STEAM_LIBRARIES names {given}, which {fault}: give the path of a gzip file."
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("/no/such/file.gz", "/no/such/file.gz, which does not exist:"),
        ("file:///no/such/file.gz", "file:///no/such/file.gz, which does not exist:"),
        ("/", "/, which is a folder:"),
        ("/dev/null/x.gz", "/dev/null/x.gz, which cannot be read (Not a directory):"),
        ("~no-such-user/x.gz", "~no-such-user/x.gz, which is neither a path nor"),
        ("s3://key:secret@bucket/x.gz", "s3://bucket/x.gz, which is neither a path nor"),
        ("file://elsewhere/x.gz", "file://elsewhere/x.gz, which is neither a path nor"),
        ("s3://[half", "an address, which is neither a path nor"),
    ],
)
def test_a_given_file_that_cannot_be_opened_is_one_sentence(raw: Path, value: str, words: str) -> None:
    message = refusal(raw, libraries=value)

    assert message.startswith(f"NEXTPLAY_STEAM_LIBRARIES names {words}")
    assert message.endswith(": give the path of a gzip file.")


def test_an_unknown_source_is_told_the_known_ones(raw: Path) -> None:
    with pytest.raises(SourceError) as caught:
        resolve(Request(Source(name="stream"), raw))

    known = "sample or sample-dated or sample-repeats or steam or steam-reviews or table"
    assert str(caught.value) == f"There is no source 'stream': set SOURCE to {known}."


def tiny(raw: Path, seed: int = 7) -> list[RawFile]:
    return resolve(Request(Source(name="sample", sample_size="tiny", seed=seed), raw))


def test_the_sample_is_generated_once(raw: Path) -> None:
    first = tiny(raw)
    second = tiny(raw)

    assert first == second
    assert [file.role for file in first] == ["libraries", "games"]
    assert [file.how for file in first] == ["generated"] * 2
    assert [file.how for file in second] == ["reused"] * 2
    assert all(sha256(file.path.read_bytes()) == file.sha256 for file in first)
    assert all(file.path.parent.parent == raw for file in first)


def test_the_sample_depends_on_its_seed_alone(raw: Path, tmp_path: Path) -> None:
    here, elsewhere, other = tiny(raw), tiny(tmp_path / "elsewhere"), tiny(raw, seed=8)

    assert [file.sha256 for file in here] == [file.sha256 for file in elsewhere]
    assert here[0].sha256 != other[0].sha256
    assert here[0].path != other[0].path


def test_a_damaged_sample_is_generated_again(raw: Path) -> None:
    first = tiny(raw)
    first[0].path.write_bytes(b"half")
    (first[0].path.parent.with_name(f".{first[0].path.parent.name}.unfinished")).mkdir()  # of a killed run
    again = tiny(raw)

    assert again == first
    assert again[0].how == "generated"
    assert not list(raw.glob(".*"))


def test_a_generator_that_fails_leaves_no_sample(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(folder: Path, size: str, seed: int) -> None:
        (folder / "libraries.json.gz").write_bytes(LIBRARIES)
        raise MemoryError

    failing = replace(sample.SAMPLE, generate=half)
    with monkeypatch.context() as patch:
        patch.setitem(SOURCES, "sample", DataSource(failing.fetch, failing.state))
        with pytest.raises(MemoryError):
            tiny(raw)
    assert not list(raw.glob("sample-*[!k]"))

    assert tiny(raw)[0].how == "generated"


def test_another_generator_makes_a_sample_of_its_own(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tiny(raw)
    monkeypatch.setattr(generated, "made_by", lambda *modules: "other code")
    second = tiny(raw)

    assert second[0].how == "generated"
    assert second[0].path != first[0].path


def test_an_unknown_size_is_told_the_known_ones(raw: Path) -> None:
    with pytest.raises(SourceError, match="There is no sample of size 'vast': choose tiny or default or"):
        resolve(Request(Source(sample_size="vast"), raw))


def test_a_host_that_answers_no_head_tells_of_changes_all_the_same(
    published: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an address that is signed for a download alone: each night it looked as before, for ever."""
    monkeypatch.setattr(Handler, "do_HEAD", lambda self: self.send_error(403))
    request = Request(Source(name="steam"), raw, QUICK)
    lab.LIBRARIES.fetch(request)
    before = lab.LIBRARIES.state(request)
    assert lab.LIBRARIES.state(request) == before
    (published / "australian_users_items.json.gz").write_bytes(LIBRARIES + GAMES)
    assert lab.LIBRARIES.state(request) != before
