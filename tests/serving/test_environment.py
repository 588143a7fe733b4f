"""The endpoint's settings and ports: a wrong one ends it with one sentence, before it listens."""

import socket

import pytest

from serving import listener
from serving.listener import PortError, usable_port
from serving.settings import Client, Deployment, Settings, load, load_settings


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as told:
        load_settings()
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
        ("API_KEY", "secret", "without NEXTPLAY_API_KEYS this endpoint would ask nobody"),
        ("EVENTS", "mysql://host/db", "give a path, or postgresql://"),
    ],
)
def test_a_wrong_setting_is_one_sentence(
    name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentence = refusal(monkeypatch, **{f"NEXTPLAY_{name}": value})
    assert told in sentence and "secret" not in sentence


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
