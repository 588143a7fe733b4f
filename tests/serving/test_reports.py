"""The page of nights and the reports: who may read them, and that nothing else of a disk can be read so."""

import base64
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from serving import reports
from serving.app import create_app
from serving.settings import Settings
from tests.support.servers import ROOT, free_port

REPORT = "0123456789abcdef.html"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "home" / "reports"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<h1>Nights</h1>")
    (folder / REPORT).write_text("<h1>Promote</h1>")
    (folder / REPORT).with_suffix(".json").write_text("{}")
    (folder / "notes.html").write_text("private")
    (folder / "abc.html").symlink_to(tmp_path / "home" / "secret.html")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "0.html").write_text("private")
    (tmp_path / "home" / "secret.html").write_text("private")
    (tmp_path / "home" / "0.html").write_text("private")
    return folder


ELSEWHERE = [
    "notes.html", "secrets/0.html", "abc.html", REPORT.replace("html", "json"), "../0.html", "%2e%2e/0.html",
    "..%2f0.html", "..%2F..%2Fsecret.html", "%2e%2e%2f0.html", "/etc/passwd", "%2fetc%2fpasswd", "..\\0.html",
    "....//0.html", f"{REPORT}%00", f"./..//{'../' * 8}etc/passwd", "%252e%252e%252f0.html",
    "0123.html%0a", "secrets", ".", "..", "%2e%2e",
]  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("alone", [False, True], ids=["of the endpoint", "beside the UI"])
def test_no_other_file_is_read(folder: Path, tmp_path: Path, name: str, alone: bool) -> None:
    app = reports.app(folder) if alone else create_app(Settings(pointer=tmp_path / "none", reports=folder))
    base = "" if alone else "/reports"
    found = TestClient(app).get(f"{base}/{name}", follow_redirects=True)
    assert "private" not in found.text and "root:" not in found.text
    assert found.text != "{}"
    if not name.strip("./%2e"):  # a client makes "..", of which nothing is left, another page
        return
    assert found.status_code == 404


@pytest.mark.parametrize("alone", [False, True], ids=["of the endpoint", "beside the UI"])
def test_page_and_reports_are_answered_and_may_run_no_script(
    folder: Path, tmp_path: Path, alone: bool
) -> None:
    app = reports.app(folder) if alone else create_app(Settings(pointer=tmp_path / "none", reports=folder))
    client, base = TestClient(app), "" if alone else "/reports"
    for name, words in (("", "Nights"), ("index.html", "Nights"), (REPORT, "Promote")):
        found = client.get(f"{base}/{name}")
        assert words in found.text and found.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in found.headers["content-security-policy"]
        assert "script-src" not in found.headers["content-security-policy"]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert client.head(f"{base}/{name}").status_code == 200
        assert client.post(f"{base}/{name}").status_code == 405
    assert client.get(f"{base}/{'f' * 16}.html").status_code == 404


def test_a_page_that_is_not_there_yet_is_told(tmp_path: Path) -> None:
    client = TestClient(create_app(Settings(pointer=tmp_path / "none", reports=tmp_path / "missing")))
    assert client.get("/reports/").json()["detail"].startswith("There is no page of nights yet")


def test_without_the_setting_there_are_none(tmp_path: Path) -> None:
    client = TestClient(create_app(Settings(pointer=tmp_path / "none")))
    assert client.get("/reports/").status_code == client.get(f"/reports/{REPORT}").status_code == 404


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"ada:{password}".encode()).decode()}


def test_with_keys_a_browser_asks_for_one_as_the_password(folder: Path, tmp_path: Path) -> None:
    client = TestClient(
        create_app(Settings(pointer=tmp_path / "none", reports=folder, api_keys="the-key:1, the-key-2"))
    )
    for path in ("/reports/", "/reports", f"/reports/{REPORT}"):
        assert client.get(path, headers=basic("the-key:1")).status_code == 200
        assert client.get(path, headers={"Authorization": "Bearer the-key-2"}).status_code == 200
        wrong = (
            {},
            basic("the-key"),
            basic(""),
            {"Authorization": "Basic the-key-2"},
            {"Authorization": "Basic ÿ".encode("latin-1")},
        )
        for headers in wrong:
            refused = client.get(path, headers=headers)
            assert refused.status_code == 401 and "Nights" not in refused.text
            assert refused.headers["www-authenticate"].startswith("Basic ")
    # For programs nothing changes: a password opens no other request.
    assert client.get("/model", headers=basic("the-key:1")).status_code == 401
    assert client.get("/reportsx", headers=basic("the-key:1")).status_code == 401


def test_the_server_beside_the_ui_ends_with_who_started_it(folder: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "serving.reports", str(folder), "127.0.0.1", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        for _ in range(200):
            try:
                assert "Nights" in httpx.get(f"http://127.0.0.1:{port}/").text
                break
            except httpx.TransportError:
                time.sleep(0.05)
        process.stdin.close()
        assert process.wait(timeout=10) == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
