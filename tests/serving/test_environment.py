"""The endpoint's settings and ports: a wrong one ends it with one sentence, before it listens."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from serving import blocklist, listener
from serving.keys import Keys
from serving.listener import PortError, usable_port
from serving.settings import Client, Deployment, Settings, check_addresses, load, load_settings
from tests.support.servers import ROOT


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as told:
        check_addresses(load_settings())
        load(Deployment)
    sentence = str(told.value)
    assert sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("WORKER", "2", "There is no setting NEXTPLAY_WORKER: the nearest is NEXTPLAY_WORKERS"),
        ("API_KEYSS", "secret", "the nearest is NEXTPLAY_API_KEYS"),
        ("PORT", "abc", "it must be a whole number"),
        ("PORT", "70000", "it must be less than or equal to 65535"),
        ("POLL_SECONDS", "inf", "86400"),
        ("API_KEYS", " , ", "NEXTPLAY_API_KEYS=***: it holds no key"),
        ("API_KEYS", "", "NEXTPLAY_API_KEYS is set and empty"),
        ("API_KEYS", " \t", "NEXTPLAY_API_KEYS is set and empty"),
        ("api_keys", "", "NEXTPLAY_API_KEYS is set and empty"),
        ("API_KEYS", ",,,", "it holds no key"),
        ("API_KEYS", "secret", "entry 1 of NEXTPLAY_API_KEYS has 6 characters: a key needs 8"),
        ("API_KEYS", "read:secret", "entry 1 of NEXTPLAY_API_KEYS has 6 characters"),
        ("API_KEYS", "secret-1\nsecret-2", "entry 1 of NEXTPLAY_API_KEYS has a line's end"),
        ("API_KEYS", "secret-\udcff", "NEXTPLAY_API_KEYS=*** has bytes that are no UTF-8"),
        ("EVENTS", "mysql://me:secret@host/db", "NEXTPLAY_EVENTS='mysql://me:***@host/db': it is neither"),
        ("API_KEYS", "secret-1,, secret-1", "a key stands twice in NEXTPLAY_API_KEYS"),
        ("API_KEYS", "read:secret-1,write:secret-1", "a key stands twice in NEXTPLAY_API_KEYS"),
        ("API_KEYS", "secret-1, reader:secret-2", "entry 2 of NEXTPLAY_API_KEYS has the roles 'reader'"),
        ("API_KEYS", "read+wirte:secret-2", "the roles are read, write, operate"),
        ("API_KEYS", "sha256:abc:secret", "looks like a hash and is none that is understood"),
        ("API_KEYS", "read:$2b$12$secretsecret", "looks like a hash and is none that is understood"),
        ("API_KEYS", "${NEXTPLAY_SECRET_KEY}", "is a placeholder that nobody has filled in"),
        ("API_KEYS", "$(SECRET_KEY)", "is a placeholder"),
        ("API_KEYS", "read:{{ secret_key }}", "is a placeholder"),
        ("API_KEYS", "<your-secret-key>", "is a placeholder"),
        ("API_KEYS", "other-secret, change-me-secret", "entry 2 of NEXTPLAY_API_KEYS is a placeholder"),
        (
            "FEEDBACK",
            '{"like": 1, "like": -1}',
            'it has "like": 1 and "like": -1, one setting',
        ),
        ("FEEDBACK", '{"stars": {"4": 1, "4.0": -1}}', "a step of stars stands there twice"),
        ("API_KEYS_FILE", "", "NEXTPLAY_API_KEYS_FILE is set and empty"),
        ("API_KEYS_FILE", "/no/such/file", "it cannot be read (No such file"),
        ("API_KEYS_FILE", "/dev/null", "it is a device and no file"),
        ("API_KEYS_FILE", "/", "it is a folder and no file"),
        ("BLOCKLIST", "", "NEXTPLAY_BLOCKLIST is set and empty"),
        ("BLOCKLIST", "/no/such/file", "NEXTPLAY_BLOCKLIST='/no/such/file': it cannot be read (No such file"),
        ("HOSTS", " ", "NEXTPLAY_HOSTS is set and empty"),
        ("HOSTS", ",", "it holds no name"),
        ("HOSTS", "https://play.example", "without scheme, port and path"),
        ("HOSTS", "play.example:80", "without scheme, port and path"),
        ("CORS_ORIGINS", " , ", "it holds no origin"),
        ("CORS_ORIGINS", "shop.example", "'shop.example' is no origin: write each as https://shop.example"),
        ("CORS_ORIGINS", "https://shop.example/", "'https://shop.example/' is no origin"),
        ("CORS_ORIGINS", "null", "'null' is no origin"),
        ("API_KEY", "secret", "without NEXTPLAY_API_KEYS this endpoint would ask nobody"),
        ("EVENTS", "mysql://host/db", "give a path, or postgresql://"),
        ("EVENTS", " ", "NEXTPLAY_EVENTS is blank"),
        ("HOST", " ", "NEXTPLAY_HOST is blank"),
        ("REPORTS", "\t", "NEXTPLAY_REPORTS is blank"),
        ("POINTER", "s3://", "it names no file"),
        ("POINTER", "s3://bucket", "it names no file"),
        ("POINTER", "/", "it names no file"),
        ("POINTER", "foo://x/y/z", "NEXTPLAY_POINTER: foo://x is no address of a store"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = refusal(monkeypatch, **{f"NEXTPLAY_{name}": value})
    assert told in sentence and "secret" not in sentence


@pytest.mark.parametrize("content", ["", "# nobody\n", "secret-without-roles", "nobody:secret-1", "\xff"])
def test_a_file_of_keys_that_says_nothing_admits_nobody(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text(content, encoding="latin-1")
    sentence = refusal(monkeypatch, NEXTPLAY_API_KEYS_FILE=str(file))
    assert sentence.startswith(f"NEXTPLAY_API_KEYS_FILE='{file}': ")


def test_a_file_that_begins_with_a_mark_of_its_encoding_is_read(tmp_path: Path) -> None:
    """As editors of Windows write it."""
    file = tmp_path / "list"
    file.write_text("\ufeffread:secret-key-1\r\nwrite:secret-key-2\r\n", encoding="utf-8")
    assert Keys(file=file).roles("secret-key-1") == {"read"}
    file.write_text("\ufeff10\r\n20\r\n", encoding="utf-8")
    assert blocklist.read(file) == {"10", "20"}


def test_a_key_of_a_file_may_hold_the_sign_of_a_remark(tmp_path: Path) -> None:
    file = tmp_path / "list"
    file.write_text("read:with#sign-1  # until May\n#read:nobody-at-all\n  # read:nor-this-one\n")
    keys = Keys(file=file)
    assert keys.roles("with#sign-1") == {"read"}
    assert not any(keys.roles(given) for given in ("with#sig", "with", "nobody-at-all", "nor-this-one"))


def test_what_locks_and_is_no_file_is_told_and_never_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("NEXTPLAY_API_KEYS_FILE", "NEXTPLAY_BLOCKLIST"):
        with monkeypatch.context() as only:
            assert "it is a FIFO and no file" in refusal(only, **{name: str(tmp_path / "pipe")})


def test_an_endpoint_with_an_open_lock_ends_before_it_has_workers() -> None:
    environment = os.environ | {"NEXTPLAY_API_KEYS": " , ", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "serving"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith("NEXTPLAY_API_KEYS=***: it holds no key") and done.stderr.count("\n") == 1


def test_settings_of_the_pipeline_and_links_of_kubernetes_are_no_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTPLAY_SOURCE", "steam")
    monkeypatch.setenv("NEXTPLAY_PORT", "tcp://10.0.0.7:3000")
    monkeypatch.setenv("NEXTPLAY_PORT_3000_TCP", "tcp://10.0.0.7:3000")
    assert load(Deployment).port == 3000 and load(Client).url == "http://127.0.0.1:3000"
    monkeypatch.setenv("NEXTPLAY_IMPRESSIONS", "false")
    assert not load_settings().impressions
    assert capsys.readouterr().err == "NEXTPLAY_IMPRESSIONS has no effect without NEXTPLAY_EVENTS.\n"
    assert Settings().demo


def test_a_taken_port_names_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortError) as told:
            usable_port("127.0.0.1", port, "NEXTPLAY_UI_PORT")
    start = f"NEXTPLAY_UI_PORT={port} cannot be had on 127.0.0.1, another program listens there: "
    assert str(told.value).startswith(f"{start}set NEXTPLAY_UI_PORT=")
    free = int(str(told.value).partition("set NEXTPLAY_UI_PORT=")[2].partition(",")[0])
    assert usable_port("127.0.0.1", free, "X") == free and usable_port("127.0.0.1", 0, "X") > 1_023


def test_a_port_for_root_and_a_host_of_nobody_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PortError, match=r"there is no address no\.such\.host\.invalid: name another host"):
        usable_port("no.such.host.invalid", 3000, "NEXTPLAY_PORT")
    with pytest.raises(PortError, match="this machine has no such address"):
        usable_port("192.0.2.1", 3000, "NEXTPLAY_PORT")
    monkeypatch.setattr(listener, "port_fault", lambda _, port: FOR_ROOT if port < 1024 else None)
    with pytest.raises(PortError, match=r"NEXTPLAY_PORT=80 .* rights of root: set NEXTPLAY_PORT=1024, which"):
        usable_port("127.0.0.1", 80, "NEXTPLAY_PORT")


FOR_ROOT = "ports below 1024 need the rights of root"
