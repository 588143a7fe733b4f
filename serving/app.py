"""The endpoint as one plain ASGI app; it runs under any ASGI server, and BentoML mounts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from models.event_stores import open_event_store
from models.events import EventStore, EventStoreError
from models.storage import is_address
from models.user_state import SNAPSHOT_FILE
from serving import telemetry
from serving.bodies import answer_problem
from serving.context import Context
from serving.mirror import Mirror
from serving.recorder import Recorder
from serving.reload import Follower
from serving.routes import demo, events, operations, recommend
from serving.settings import Settings
from serving.users import Users

ROUTERS = (recommend.router, events.router, operations.router, demo.router)


def create_app(settings: Settings) -> FastAPI:
    """The app; its model is loaded in the background once the app has started."""
    mirror = Mirror(str(settings.pointer), settings.cache) if is_address(str(settings.pointer)) else None
    pointer_file = mirror.pointer_file if mirror else Path(settings.pointer)
    follower = Follower(pointer_file, settings.poll_seconds, settings.scorer_threads, settings.demo, mirror)
    store = _open_store(settings)
    recorder = Recorder(store) if store else None
    users = Users(store, pointer_file.with_name(SNAPSHOT_FILE))
    context = Context(settings, follower, users, recorder)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telemetry.configure_logging()
        follower.start()
        if recorder:
            recorder.start()
        yield
        await run_in_threadpool(follower.stop)
        if recorder:
            await run_in_threadpool(recorder.stop)

    app = FastAPI(
        title="Nextplay",
        version="1",
        description="What a user plays next, from what they played.",
        lifespan=lifespan,
        docs_url=None,  # theirs fetches scripts from another host; ours is in routes/demo.py
        redoc_url=None,
    )
    app.state.follower = follower
    app.add_middleware(telemetry.Observe)
    app.add_exception_handler(HTTPException, answer_problem)
    for router in ROUTERS:
        app.include_router(router(context))
    return app


def _open_store(settings: Settings) -> EventStore | None:
    """The event store, if one is set; where it cannot be opened, one sentence ends the process."""
    try:
        return open_event_store(str(settings.events)) if settings.events else None
    except EventStoreError as error:
        raise SystemExit(f"NEXTPLAY_EVENTS: {error}") from None
