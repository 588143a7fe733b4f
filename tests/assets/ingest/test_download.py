"""Downloads from a real HTTP server that misbehaves on request."""

import gzip
import hashlib
import json
import logging
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from assets.ingest.download import Downloaded, DownloadError, DownloadSettings, download, public_address

ADVICE = "Give a copy with NEXTPLAY_STEAM_LIBRARIES=path, or run the built-in sample with SOURCE=sample."
QUICK = DownloadSettings(tries=4, first_wait=0.01, longest_wait=0.02, connect_timeout=2.0, read_timeout=5.0)
CONTENT = gzip.compress(random.Random(1).randbytes(300_000), mtime=0)
NEWER = gzip.compress(random.Random(2).randbytes(300_000), mtime=0)
LAST_MODIFIED = "Tue, 10 Nov 2026 06:00:00 GMT"

Answer = Callable[["Handler"], None]


class Host(ThreadingHTTPServer):
    """Serves `content` as a well-behaved static host does, after the answers in `script` are used up."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.etag: str | None = '"one"'
        self.last_modified: str | None = LAST_MODIFIED
        self.script: list[Answer] = []
        self.requests: list[dict[str, str]] = []
        self.sent: list[int] = []  # status codes of the well-behaved answers
        self.patience = threading.Event()  # set: stalled answers end

    def address(self, name: str = "libraries.json.gz") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    server: Host
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        answer = self.server.script.pop(0) if self.server.script else serve
        answer(self)

    def begin(self, status: int, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.close_connection = True

    def validators(self) -> dict[str, str]:
        host = self.server
        found = {"ETag": host.etag, "Last_Modified": host.last_modified}
        return {name: value for name, value in found.items() if value}

    def hang_up(self, *, reset: bool = False) -> None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR) if not reset else self.connection.close()


def serve(handler: Handler) -> None:
    """What RFC 9110 asks of a host with one file."""
    host, asked = handler.server, handler.headers
    current = asked.get("If-None-Match") or asked.get("If-Modified-Since")
    if current and current in {host.etag, host.last_modified}:
        host.sent.append(304)
        handler.begin(304, **handler.validators())
        return
    start = 0
    if "Range" in asked and asked.get("If-Range") in {host.etag, host.last_modified}:
        start = int(asked["Range"].removeprefix("bytes=").removesuffix("-"))
        size = len(host.content)
        if start >= size:
            host.sent.append(416)
            handler.begin(416, 0, Content_Range=f"bytes */{size}")
            return
        host.sent.append(206)
        body = host.content[start:]
        handler.begin(
            206, len(body), Content_Range=f"bytes {start}-{size - 1}/{size}", **handler.validators()
        )
        handler.wfile.write(body)
        return
    host.sent.append(200)
    handler.begin(200, len(host.content), **handler.validators())
    handler.wfile.write(host.content)


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.begin(code, 0, **headers)


def body(content: bytes, length: int | None = None, **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin(200, len(content) if length is None else length, **headers)
        handler.wfile.write(content)

    return answer


def broken_off(size: int, *, reset: bool = False) -> Answer:
    """The first `size` bytes of the content under its whole length, and then nothing."""

    def answer(handler: Handler) -> None:
        handler.begin(200, len(handler.server.content), **handler.validators())
        handler.wfile.write(handler.server.content[:size])
        handler.wfile.flush()
        if reset:
            time.sleep(0.05)  # a reset also destroys what the client has not read yet
        handler.hang_up(reset=reset)

    return answer


def stalled(size: int) -> Answer:
    def answer(handler: Handler) -> None:
        handler.begin(200, len(handler.server.content), **handler.validators())
        handler.wfile.write(handler.server.content[:size])
        handler.wfile.flush()
        handler.server.patience.wait(30)

    return answer


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture
def host() -> Iterator[Host]:
    server = Host()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.patience.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "libraries.json.gz"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fetch(host: Host, destination: Path, **options: Any) -> Downloaded:
    return download(host.address(), destination, **({"settings": QUICK, "advice": ADVICE} | options))


def refusal(host: Host, destination: Path, **options: Any) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch(host, destination, **options)
    return str(caught.value)


def leave_part(host: Host, destination: Path, size: int = 100_000) -> None:
    """What a download leaves behind that broke off after `size` bytes."""
    host.script.append(broken_off(size))
    refusal(host, destination, settings=replace(QUICK, tries=1))
    assert part(destination).stat().st_size == size
    host.requests.clear()


def part(destination: Path) -> Path:
    return destination.with_name(destination.name + ".part")


def beside(destination: Path) -> set[str]:
    return {path.name for path in destination.parent.iterdir()} - {destination.name + ".lock"}


WHOLE = {"libraries.json.gz", "libraries.json.gz.meta.json"}


def test_a_file_arrives_whole_with_its_sidecar(host: Host, destination: Path) -> None:
    done = fetch(host, destination)

    assert destination.read_bytes() == CONTENT
    assert done == Downloaded(
        destination, sha256(CONTENT), len(CONTENT), host.address(), '"one"', LAST_MODIFIED, changed=True
    )
    assert beside(destination) == WHOLE
    meta = json.loads((destination.parent / "libraries.json.gz.meta.json").read_text())
    assert meta == {
        "address": host.address(),
        "bytes": len(CONTENT),
        "etag": '"one"',
        "last_modified": LAST_MODIFIED,
        "sha256": sha256(CONTENT),
    }


def test_bytes_are_kept_as_sent_even_when_the_host_calls_the_file_an_encoding(
    host: Host, destination: Path
) -> None:
    host.script = [body(CONTENT, Content_Encoding="gzip")]

    fetch(host, destination)

    assert destination.read_bytes() == CONTENT
    assert host.requests[0]["Accept-Encoding"] == "identity"


def test_an_unchanged_file_is_not_sent_again(host: Host, destination: Path) -> None:
    fetch(host, destination)
    again = fetch(host, destination)

    assert host.sent == [200, 304]
    assert host.requests[1]["If-None-Match"] == '"one"'
    assert host.requests[1]["If-Modified-Since"] == LAST_MODIFIED
    assert (again.changed, again.sha256, again.etag) == (False, sha256(CONTENT), '"one"')


def test_a_changed_file_is_sent_again(host: Host, destination: Path) -> None:
    fetch(host, destination)
    host.content, host.etag = NEWER, '"two"'
    again = fetch(host, destination)

    assert again.changed
    assert destination.read_bytes() == NEWER
    assert beside(destination) == WHOLE


def test_a_file_that_is_not_what_was_recorded_is_fetched_again(host: Host, destination: Path) -> None:
    fetch(host, destination)
    destination.write_bytes(CONTENT[:1000])
    again = fetch(host, destination)

    assert host.sent == [200, 200]
    assert again.changed
    assert destination.read_bytes() == CONTENT


def test_another_address_is_not_asked_with_the_validators_of_the_first(host: Host, destination: Path) -> None:
    fetch(host, destination)
    download(host.address("mirror.gz"), destination, settings=QUICK)

    assert "If-None-Match" not in host.requests[1]


def test_a_pinned_file_that_is_there_needs_no_host(destination: Path) -> None:
    destination.parent.mkdir()
    destination.write_bytes(CONTENT)

    done = download("http://127.0.0.1:9/x.gz", destination, sha256=sha256(CONTENT), settings=QUICK)

    assert (done.changed, done.confirmed) == (False, True)


def test_a_broken_connection_is_continued_where_it_broke(host: Host, destination: Path) -> None:
    host.script = [broken_off(100_000)]
    done = fetch(host, destination)

    assert destination.read_bytes() == CONTENT
    assert host.requests[1]["Range"] == "bytes=100000-"
    assert host.requests[1]["If-Range"] == '"one"'
    assert host.sent == [206]
    assert done.changed
    assert beside(destination) == WHOLE


def test_a_reset_connection_is_continued(host: Host, destination: Path) -> None:
    host.script = [broken_off(50_000, reset=True)]
    fetch(host, destination)

    assert destination.read_bytes() == CONTENT
    assert len(host.requests) == 2


def test_a_later_run_continues_the_part(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    assert not destination.exists()

    fetch(host, destination, sha256=sha256(CONTENT))

    assert host.requests[0]["Range"] == "bytes=100000-"
    assert destination.read_bytes() == CONTENT


def test_a_date_continues_a_part_where_there_is_no_tag(host: Host, destination: Path) -> None:
    host.etag = None
    leave_part(host, destination)
    fetch(host, destination)

    assert host.requests[0]["If-Range"] == LAST_MODIFIED
    assert host.sent == [206]


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_a_strong_validator_a_part_is_not_continued(
    host: Host, destination: Path, etag: str | None
) -> None:
    host.etag = etag
    if etag is None:
        host.last_modified = None
    leave_part(host, destination)
    fetch(host, destination)

    assert "Range" not in host.requests[0]
    assert destination.read_bytes() == CONTENT


def test_a_file_that_changed_between_the_tries_starts_from_zero(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    host.content, host.etag = NEWER, '"two"'
    fetch(host, destination)

    assert host.sent == [200]
    assert destination.read_bytes() == NEWER


def test_a_host_that_ignores_ranges_starts_from_zero(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    host.script = [body(CONTENT, ETag='"one"')]
    fetch(host, destination)

    assert "Range" in host.requests[0]
    assert destination.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("content_range", "etag"),
    [
        ("bytes 100000-{last}/{size}", '"two"'),  # ignores If-Range
        ("bytes 99999-{last}/{size}", '"one"'),  # another range than asked for
        ("bytes 100000-{last}/999999", '"one"'),  # another size than at first
        ("nonsense", '"one"'),
    ],
)
def test_a_range_that_does_not_fit_the_part_starts_from_zero(
    host: Host, destination: Path, content_range: str, etag: str, caplog: pytest.LogCaptureFixture
) -> None:
    leave_part(host, destination)
    size = len(CONTENT)

    def mismatched(handler: Handler) -> None:
        rest = b"\0" * (size - 100_000)
        where = content_range.format(last=size - 1, size=size)
        handler.begin(206, len(rest), Content_Range=where, ETag=etag)
        handler.wfile.write(rest)

    host.script = [mismatched]
    fetch(host, destination, settings=replace(QUICK, tries=1))

    assert [("Range" in asked) for asked in host.requests] == [True, False]
    assert caplog.text == ""  # seen at once, and not by the checksum of the whole
    assert destination.read_bytes() == CONTENT


def test_a_range_sent_in_pieces_is_put_together(host: Host, destination: Path) -> None:
    leave_part(host, destination)

    def piece(handler: Handler) -> None:
        where = f"bytes 100000-199999/{len(CONTENT)}"
        handler.begin(206, 100_000, Content_Range=where, ETag='"one"')
        handler.wfile.write(CONTENT[100_000:200_000])

    host.script = [piece]
    fetch(host, destination)

    assert host.requests[1]["Range"] == "bytes=200000-"
    assert destination.read_bytes() == CONTENT


def test_a_part_that_is_whole_already_is_not_fetched_again(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    part(destination).write_bytes(CONTENT)
    fetch(host, destination)

    assert host.sent == [416]
    assert destination.read_bytes() == CONTENT


def test_a_part_longer_than_the_file_starts_from_zero(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    part(destination).write_bytes(CONTENT + b"more")
    fetch(host, destination, settings=replace(QUICK, tries=1))

    assert host.sent == [416, 200]
    assert destination.read_bytes() == CONTENT


def test_a_damaged_note_starts_from_zero(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    part(destination).with_name(part(destination).name + ".json").write_text("{")
    fetch(host, destination)

    assert host.sent == [200]
    assert destination.read_bytes() == CONTENT


def test_a_part_of_another_file_is_not_continued(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    download(host.address("mirror.gz"), destination, settings=QUICK)

    assert host.sent == [200]
    assert destination.read_bytes() == CONTENT


def test_a_damaged_part_is_found_by_its_checksum_and_replaced(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    part(destination).write_bytes(b"\0" * 100_000)
    fetch(host, destination, sha256=sha256(CONTENT))

    assert host.sent == [206, 200]
    assert destination.read_bytes() == CONTENT


def test_a_passing_failure_is_tried_again(host: Host, destination: Path) -> None:
    host.script = [status(500), status(503), status(408)]
    fetch(host, destination)

    assert destination.read_bytes() == CONTENT
    assert len(host.requests) == 4


def test_tries_are_bounded(host: Host, destination: Path) -> None:
    host.script = [status(500)] * 9

    assert refusal(host, destination) == (
        "Cannot download libraries.json.gz: the host answered 500 Internal Server Error after 4 tries. "
        + ADVICE
    )
    assert len(host.requests) == 4


@pytest.mark.parametrize(("code", "reason"), [(404, "Not Found"), (403, "Forbidden"), (410, "Gone")])
def test_a_refusal_is_not_tried_again(host: Host, destination: Path, code: int, reason: str) -> None:
    host.script = [status(code)]

    with pytest.raises(DownloadError) as caught:
        fetch(host, destination)

    assert (
        f"{caught.value}" == f"Cannot download libraries.json.gz: the host answered {code} {reason}. {ADVICE}"
    )
    assert not caught.value.transient
    assert len(host.requests) == 1


@pytest.mark.parametrize("as_date", [False, True])
def test_a_host_that_asks_to_wait_is_waited_for(
    host: Host, destination: Path, monkeypatch: pytest.MonkeyPatch, as_date: bool
) -> None:
    naps: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", naps.append)
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    host.script = [status(429, Retry_After=until if as_date else "60")]
    fetch(host, destination)

    assert 50 < naps[0] <= 60
    assert destination.read_bytes() == CONTENT


def test_a_host_that_asks_for_too_long_a_wait_ends_the_download(host: Host, destination: Path) -> None:
    host.script = [status(429, Retry_After="3600")]

    message = refusal(host, destination)

    assert "429 Too Many Requests and asks to wait 3600 s." in message
    assert len(host.requests) == 1


def test_waits_grow_and_are_bounded(host: Host, destination: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", naps.append)
    host.script = [status(500)] * 9
    refusal(host, destination, settings=DownloadSettings(tries=5, first_wait=1.0, longest_wait=5.0))

    assert [low <= nap <= high for nap, low, high in zip(naps, (1, 2, 4, 5), (2, 3, 5, 5), strict=True)] == (
        [True] * 4
    )


def test_a_wrong_checksum_gets_one_clean_retry(host: Host, destination: Path) -> None:
    host.script = [body(NEWER, ETag='"one"')]
    fetch(host, destination, sha256=sha256(CONTENT))

    assert destination.read_bytes() == CONTENT
    assert all("Range" not in asked for asked in host.requests)


def test_a_lasting_wrong_checksum_leaves_the_old_file(host: Host, destination: Path) -> None:
    fetch(host, destination)
    host.content, host.etag = NEWER, '"two"'

    message = refusal(host, destination, sha256="0" * 64)

    assert f"its SHA-256 is {sha256(NEWER)} and not {'0' * 64}" in message
    assert len(host.requests) == 3
    assert destination.read_bytes() == CONTENT
    assert beside(destination) == WHOLE


@pytest.mark.parametrize("content", [CONTENT[:-2000], CONTENT[:-8] + b"\0" * 8, b"\x1f\x8bnonsense"])
def test_a_damaged_gzip_file_is_refused_without_a_pin(host: Host, destination: Path, content: bytes) -> None:
    """So is a host whose Content-Length is too short for its file."""
    host.content = content

    assert "what the host sent is a damaged gzip file." in refusal(host, destination)
    assert len(host.requests) == 2
    assert beside(destination) == set()


def test_a_content_length_too_long_never_completes_a_file(host: Host, destination: Path) -> None:
    host.script = [body(CONTENT, length=len(CONTENT) + 10)]

    message = refusal(host, destination, settings=replace(QUICK, tries=1))

    assert "the connection broke off." in message
    assert not destination.exists()


def test_a_web_page_is_not_a_gzip_file(host: Host, destination: Path) -> None:
    host.script = [body(b"<!doctype html><title>Log in</title>")]

    assert refusal(host, destination) == (
        f"Cannot download libraries.json.gz: the host sent a web page instead of a gzip file. {ADVICE}"
    )
    assert len(host.requests) == 1


@pytest.mark.parametrize(("content", "words"), [(b"", "an empty file"), (b"\x1f", "something else instead")])
def test_an_answer_that_is_no_gzip_file_is_refused(
    host: Host, destination: Path, content: bytes, words: str
) -> None:
    host.script = [body(content)]

    assert words in refusal(host, destination)


def test_a_web_page_does_not_cost_the_part(host: Host, destination: Path) -> None:
    leave_part(host, destination)
    host.script = [body(b"<html>Log in to the hotel's network</html>")]
    refusal(host, destination)

    assert part(destination).read_bytes() == CONTENT[:100_000]


def test_a_stalled_connection_ends_and_is_continued(host: Host, destination: Path) -> None:
    host.script = [stalled(100_000)]
    fetch(host, destination, settings=replace(QUICK, read_timeout=0.3))

    assert host.requests[1]["Range"] == "bytes=100000-"
    assert destination.read_bytes() == CONTENT


def test_a_host_that_stalls_each_time_is_named(host: Host, destination: Path) -> None:
    host.script = [stalled(0)] * 2

    message = refusal(host, destination, settings=replace(QUICK, tries=2, read_timeout=0.2))

    assert "the host sent nothing for 0.2 s after 2 tries." in message


@pytest.mark.parametrize("address", ["http://127.0.0.1:{closed}/a.gz", "http://no-such-host.invalid/a.gz"])
def test_offline_gives_both_ways_on(destination: Path, address: str) -> None:
    with socket.socket() as bound:  # not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(DownloadError) as caught:
            download(
                address.format(closed=bound.getsockname()[1]), destination, settings=QUICK, advice=ADVICE
            )

    assert str(caught.value) == f"Cannot download a.gz: the host did not answer after 4 tries. {ADVICE}"
    assert caught.value.transient
    assert beside(destination) == set()


def test_offline_a_whole_earlier_copy_stands_in(
    host: Host, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fetch(host, destination)
    host.script = [status(503)] * 4

    done = fetch(host, destination)

    assert (done.changed, done.confirmed, done.sha256) == (False, False, sha256(CONTENT))
    assert "libraries.json.gz may have changed, but the host answered 503" in caplog.text


@pytest.mark.parametrize(
    "address", ["ftp://host/a.gz", "a.gz", "http://", "http://[half/a.gz", "http://user:to/p@host:x/a.gz"]
)
def test_an_address_that_is_none_is_refused(destination: Path, address: str) -> None:
    with pytest.raises(DownloadError, match="its address"):
        download(address, destination, settings=QUICK)


def test_redirects_are_followed_but_not_in_circles(host: Host, destination: Path) -> None:
    host.script = [status(302, Location="/elsewhere.gz")]
    fetch(host, destination)
    assert destination.read_bytes() == CONTENT

    host.script = [status(302, Location="/round.gz")] * 40
    destination.unlink()
    assert "redirects it in circles" in refusal(host, destination)


def test_a_full_disk_is_one_clear_sentence(host: Host, destination: Path) -> None:
    destination.parent.mkdir()
    part(destination).symlink_to("/dev/full")

    def keep_link(self: Any) -> None:
        """The real one would remove the device that is always full."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("assets.ingest.transfer.Part.discard", keep_link)
        message = refusal(host, destination)

    assert message == (
        "Cannot download libraries.json.gz: the disk is full, free some space for "
        f"{destination.parent} and run this again. {ADVICE}"
    )
    assert not destination.exists()


def test_a_folder_that_cannot_be_made_is_one_clear_sentence(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    message = refusal(host, tmp_path / "file" / "a.gz")

    assert f"{tmp_path / 'file'} cannot be written to" in message
    assert host.requests == []


def test_credentials_reach_the_host_and_nobody_else(
    host: Host, destination: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    host.script = [status(500), broken_off(100_000)]
    address = host.address().replace("http://", "http://ada:hunter%402@") + "?token=geheim"
    done = download(address, destination, settings=QUICK, advice=ADVICE)
    with pytest.raises(DownloadError) as caught:
        host.script = [status(401)]
        download(address, destination.with_name("other.gz"), settings=QUICK)

    assert [asked["Authorization"] for asked in host.requests] == ["Basic YWRhOmh1bnRlckAy"] * 4
    seen = "".join(path.read_text() for path in destination.parent.glob("*.json"))
    seen += f"{done}{caught.value}{caught.value.__cause__}"
    seen += "".join(record.getMessage() for record in caplog.records if record.name.startswith("assets"))
    assert not {"ada", "hunter", "geheim"} & set(seen.replace('"', " ").replace("/", " ").split())
    assert "hunter" not in seen + caplog.text
    assert "geheim" not in seen
    assert done.address == f"{host.address()}?..."


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("https://host/a.gz", "https://host/a.gz"),
        ("https://ada:secret@host:8443/a.gz#part", "https://host:8443/a.gz"),
        ("https://ada:se@cret@host/a.gz?key=secret", "https://host/a.gz?..."),
    ],
)
def test_a_public_address_holds_no_secret(address: str, public: str) -> None:
    assert public_address(address) == public


def test_two_at_once_fetch_a_file_once(host: Host, destination: Path) -> None:
    done: list[Downloaded] = []
    threads = [
        threading.Thread(target=lambda: done.append(fetch(host, destination, sha256=sha256(CONTENT))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(one.changed for one in done) == [False, False, True]
    assert host.sent == [200]


def test_a_killed_process_is_continued_and_nothing_half_is_ever_visible(
    host: Host, destination: Path
) -> None:
    old = gzip.compress(b"old", mtime=0)
    destination.parent.mkdir()
    destination.write_bytes(old)
    host.script = [stalled(150_000)]
    program = "import sys; from pathlib import Path; from assets.ingest.download import download\n"
    program += "download(sys.argv[1], Path(sys.argv[2]))"
    process = subprocess.Popen([sys.executable, "-c", program, host.address(), str(destination)])
    deadline = time.monotonic() + 60
    while not (part(destination).exists() and part(destination).stat().st_size >= 100_000):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert destination.read_bytes() == old
    reached = part(destination).stat().st_size

    fetch(host, destination)

    assert host.requests[1]["Range"] == f"bytes={reached}-"
    assert host.sent == [206]
    assert destination.read_bytes() == CONTENT
    assert beside(destination) == WHOLE
