"""The endpoint as one plain ASGI app; it runs under any ASGI server, and BentoML mounts it."""

import multiprocessing
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from serving import telemetry
from serving.access import ApiKeys, Hosts, SameSite
from serving.blocklist import Blocklist
from serving.bodies import answer_problem, answer_wrong_parameter
from serving.connections import OPEN
from serving.context import Context
from serving.listing import Listing
from serving.mirror import Mirror
from serving.observe import Observe
from serving.openapi import document, served_examples
from serving.private import keep_private
from serving.recorder import Recorder
from serving.reload import Follower
from serving.routes import catalogue, demo, events, listed, operations, recommend, reports
from serving.settings import Settings, check_addresses, keys_of, load_settings, parts
from serving.state.event_stores import open_event_store
from serving.state.events import EventStore, EventStoreError
from serving.state.storage import is_address
from serving.state.user_state import SNAPSHOT_FILE
from serving.supervisor import end_with
from serving.trend import Trend
from serving.turns import Turns
from serving.users import Users

STORE_THREADS = 4
HISTORY_THREADS = 4  # apart: a history waits for nobody who writes
PATIENCE_SECONDS = 20.0  # with the first model; kubelets and load balancers want to hear something
ROUTERS = (
    recommend.router,
    catalogue.router,
    events.router,
    listed.router,
    operations.router,
    demo.router,
    reports.router,
)


def create_app(settings: Settings) -> FastAPI:
    """The app. It takes requests once it has its first model, has found none, or has tried for a while.

    So a worker that is still loading gets no connection that others could answer.
    """
    check_addresses(settings)
    OPEN.wanted = settings.max_connections
    mirror = Mirror(str(settings.pointer), settings.cache) if is_address(str(settings.pointer)) else None
    pointer_file = mirror.pointer_file if mirror else Path(settings.pointer)
    follower = Follower(pointer_file, settings.poll_seconds, settings.scorer_threads, settings.demo, mirror)
    store = _open_store(settings)
    recorder = Recorder(store) if store else None
    reader = open_event_store(settings.events, at_once=False, reader=True) if settings.events else None
    users = Users(store, pointer_file.with_name(SNAPSHOT_FILE), reader)
    blocklist = Blocklist(settings.blocklist, settings.poll_seconds)
    turns, store_threads = Turns(settings.max_waiting), ThreadPoolExecutor(STORE_THREADS, "store")
    history_threads = ThreadPoolExecutor(HISTORY_THREADS, "history")
    listing = Listing(store, follower, settings.poll_seconds, store_threads) if store else None
    seconds = settings.trend_seconds
    trend = Trend(store, follower, seconds, store_threads) if store and seconds else None
    context = Context(
        settings, follower, users, recorder, listing, blocklist, turns, store_threads, history_threads, trend
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telemetry.configure_logging()
        if listing:
            await run_in_threadpool(listing.start)
        follower.start()
        await run_in_threadpool(follower.first_look, PATIENCE_SECONDS)
        if trend:
            trend.start()
        if recorder:
            recorder.start()
        yield
        if trend:
            await run_in_threadpool(trend.stop)
        await run_in_threadpool(follower.stop)
        if listing:
            await run_in_threadpool(listing.stop)
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
    app.openapi = lambda: served_examples(document(app), context.most_played(3))  # type: ignore[method-assign]
    app.state.follower = follower
    _add_middleware(app, settings)
    app.add_exception_handler(HTTPException, answer_problem)
    app.add_exception_handler(RequestValidationError, answer_wrong_parameter)
    for router in ROUTERS:
        app.include_router(router(context))
    return app


def app_from_environment() -> FastAPI:
    """What `uvicorn --factory serving.app:app_from_environment` runs."""
    keep_private()  # the store that it makes names users
    supervisor = multiprocessing.parent_process()  # of a worker; one that serves alone has none
    if supervisor is not None and supervisor.pid is not None:
        end_with(supervisor.pid)
    return create_app(load_settings())


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is asked first, so that refused requests are observed too."""
    keys, origins = keys_of(settings), parts(settings.cors_origins)
    if keys:
        app.add_middleware(ApiKeys, keys=keys)
    else:
        app.add_middleware(SameSite, origins=origins)
    app.add_middleware(Hosts, hosts=parts(settings.hosts), keyless=not keys)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Observe, log_requests=settings.log_requests)


def _open_store(settings: Settings) -> EventStore | None:
    """The event store, if one is set. Where it cannot be opened, a sentence says so, and it is tried again:
    recommendations do not end for want of it."""
    if not settings.events:
        return None
    store = open_event_store(settings.events, at_once=False)
    try:
        store.open()
    except EventStoreError as error:
        telemetry.EVENT_STORE_FAILING.set(1)
        telemetry.configure_logging()
        telemetry.log("event store not opened", reason=f"NEXTPLAY_EVENTS: {error} No events are taken.")
    return store
