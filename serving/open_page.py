"""`make demo`: serves the current champion, and opens its page in a browser where there is one."""

import os
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path

import uvicorn

from serving import telemetry
from serving.app import create_app
from serving.connections import Connection
from serving.listener import PortError, usable_port
from serving.private import keep_private
from serving.settings import load_settings


def main(host: str, port: int) -> None:
    """Serve until interrupted; what keeps the page from being shown ends the process with one sentence."""
    keep_private()
    settings = load_settings()
    if not settings.demo:
        raise SystemExit("NEXTPLAY_DEMO is false, so there is no page: unset it.")
    if not Path(settings.pointer).exists():
        raise SystemExit(
            "There is no champion yet: `make run` trains one, on the built-in sample in minutes."
        )
    try:
        port = usable_port(host, port, "NEXTPLAY_DEMO_PORT")
    except PortError as error:
        raise SystemExit(str(error)) from None
    listener = socket.create_server((host, port))  # from here on a browser's request waits for its answer
    telemetry.configure_logging()
    app = create_app(settings)
    app.state.follower.check()
    if app.state.follower.current is None:
        raise SystemExit(
            f"The champion that {settings.pointer} names cannot be served: the line above says why."
        )
    address = f"http://{host}:{port}/"
    sys.stdout.write(f"What should I play next?  {address}\n")
    sys.stdout.flush()
    if _has_screen():
        webbrowser.open(address)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(uvicorn.Config(app, http=Connection, log_level="warning")).run(sockets=[listener])


def _has_screen() -> bool:
    """False on a server, where `webbrowser` would start one that draws in the terminal."""
    return sys.platform in ("darwin", "win32") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
