"""The endpoint as one plain ASGI app; it runs under any ASGI server, and BentoML mounts it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from serving import telemetry
from serving.bodies import answer_problem
from serving.context import Context
from serving.reload import Follower
from serving.routes import operations, recommend
from serving.settings import Settings

ROUTERS = (recommend.router, operations.router)


def create_app(settings: Settings) -> FastAPI:
    """The app; its model is loaded in the background once the app has started."""
    follower = Follower(settings.pointer, settings.poll_seconds, settings.scorer_threads)
    context = Context(settings, follower)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        telemetry.configure_logging()
        follower.start()
        yield
        await run_in_threadpool(follower.stop)

    app = FastAPI(
        title="Nextplay",
        version="1",
        description="What a user plays next, from what they played.",
        lifespan=lifespan,
    )
    app.state.follower = follower
    app.add_middleware(telemetry.Observe)
    app.add_exception_handler(HTTPException, answer_problem)
    for router in ROUTERS:
        app.include_router(router(context))
    return app
