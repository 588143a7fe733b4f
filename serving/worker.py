"""What each worker of `python -m serving` runs: the app. Where memory is short for it, a sentence ends all.

Else a worker that dies at its start would be started again for ever, a stack trace each time.
"""

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from uvicorn.config import STARTUP_FAILURE

from models.memory import NO_MEMORY, out_of_memory

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def app() -> "ASGIApp":
    """What `uvicorn --factory serving.worker:app` runs."""
    try:
        from serving.app import app_from_environment

        return Worker(app_from_environment())
    except (ImportError, MemoryError, OSError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        end()


class Worker:
    """The app, whose start may fail."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def told(message: "Message") -> None:
            if message["type"] == "lifespan.startup.failed" and out_of_memory(message.get("message", "")):
                end()
            await send(message)

        await self._app(scope, receive, told)


def end() -> NoReturn:
    """At once: what is left of the memory may not do for an orderly end."""
    sys.stderr.write(f"{NO_MEMORY}\n")
    sys.stderr.flush()
    os._exit(STARTUP_FAILURE)
