"""The BentoML service: thin, it mounts the app.

From the repository: `NEXTPLAY_POINTER=var/champion/pointer.json bentoml serve serving.service:Nextplay`. From
a Bento (`serving/package.py` builds them) the bundle inside is served unless NEXTPLAY_POINTER is set.

BentoML answers `/livez` and `/readyz` itself, before the app is asked: `__is_ready__` makes the latter wait
for a loaded and warm model. Its own metrics and access log are off: `/metrics` and the log are the app's.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")  # read by BentoML once, so it goes before the import
# BentoML's folder of metrics is on a disk, and a full one ends who maps files there: see metrics_folder.py.
# There is one worker, which needs none.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import bentoml
from starlette.applications import Starlette
from starlette.routing import Mount

from serving.app import create_app
from serving.connections import guard_every_server
from serving.private import keep_private
from serving.settings import load_settings
from serving.supervisor import end_with

keep_private()
guard_every_server()  # BentoML imports this module before it makes its server
if bentoml.server_context.worker_index is not None:  # in a worker; the supervisor imports this module, too
    end_with(os.getppid())

app = create_app(load_settings())


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    async with app.router.lifespan_context(app):
        yield


# BentoML runs the lifespan of a Starlette app only and asks it only for the paths of its routes. A mount has
# every path: so the app's own answer to an unknown path or method is the one that a client gets.
front = Starlette(routes=[Mount("/", app)], lifespan=_lifespan)


@bentoml.service(
    name="nextplay",
    workers=1,
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
@bentoml.asgi_app(front, path="/")
class Nextplay:
    """Recommends what a user plays next."""

    async def __is_ready__(self) -> bool:
        return app.state.follower.current is not None
