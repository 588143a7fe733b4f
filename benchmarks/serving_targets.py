"""What `benchmarks/serving_load.py` measures the endpoint against, as ASGI apps for uvicorn.

`ours` is the endpoint with one more route, `/empty`, that reads and checks the same body and answers with as
many bytes. `bare` has no framework: it parses the body, asks the same recommender and answers at once.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from pydantic_core import to_json

from serving.__main__ import Deployment, run
from serving.app import create_app
from serving.bodies import read_body
from serving.recommender import Recommender
from serving.schemas import RecommendRequest
from serving.settings import load, load_settings
from serving.state.pointer import read_pointer

EMPTY = to_json({"items": [{"item_id": "1234560", "title": "Game number 1234560", "score": 1.0}] * 10})


def ours() -> FastAPI:
    app = create_app(load_settings())

    @app.post("/empty")
    async def empty(request: Request) -> Response:
        await read_body(request, RecommendRequest)
        return Response(EMPTY, media_type="application/json")

    return app


def bare() -> Any:
    file = Path(load_settings().pointer)
    pointer = read_pointer(file)
    assert pointer is not None
    recommender = Recommender(pointer.folder(file))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        answer = EMPTY
        if scope["path"] == "/recommend":
            history = json.loads(body)["history"]
            if recommender.manifest.n_items > 50_000:
                found = await asyncio.to_thread(recommender.recommend, history, 10)
            else:
                found = recommender.recommend(history, 10)
            answer = to_json([vars(item) for item in found.items])
        elif scope["method"] == "POST":
            json.loads(body)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


async def _lifespan(receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


if __name__ == "__main__":
    run(f"benchmarks.serving_targets:{sys.argv[1]}", load(Deployment))
