"""The items that the model knows: found by title, and by likeness."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from models.bundle.ids import MAX_ID, trimmed
from serving.bodies import PROBLEMS, given_once
from serving.context import Context
from serving.routes.ids import SIMILAR_PATH
from serving.schemas import (
    MAX_K,
    ItemName,
    ItemsResponse,
    ModelName,
    Problem,
    RecommendedItem,
    SimilarResponse,
)

UNKNOWN_ITEM: dict[str, object] = {"model": Problem, "description": "The model does not know the item."}
SIMILAR_PROBLEMS: dict[int | str, dict[str, object]] = {
    404: UNKNOWN_ITEM,
    422: PROBLEMS[422],
    503: PROBLEMS[503],
}


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.get(SIMILAR_PATH, responses=SIMILAR_PROBLEMS, dependencies=[Depends(given_once)])
    @routes.get("/similar", responses=SIMILAR_PROBLEMS, dependencies=[Depends(given_once)])
    async def similar(
        request: Request, item_id: str, k: Annotated[int, Query(ge=1, le=MAX_K)] = 10
    ) -> SimilarResponse:
        """The items most like one: by their embeddings, or, where the model has none, by what follows it."""
        model, item_id = context.model(), trimmed(item_id)
        title = model.recommender.title(item_id)
        if title is None:
            raise HTTPException(404, f"The model knows no item {item_id[:MAX_ID]}: GET /items finds items.")
        context.turns.admit()
        blocked = context.blocklist.ids()
        found = await context.turns.take(lambda: model.recommender.similar(item_id, k, blocked), True)
        return SimilarResponse(
            item=ItemName(item_id=item_id, title=title),
            items=[RecommendedItem.of(item) for item in found],
            model=ModelName(version=model.version, architecture=model.architecture),
            request_id=request.state.request_id,
        )

    @routes.get(
        "/items", responses={422: PROBLEMS[422], 503: PROBLEMS[503]}, dependencies=[Depends(given_once)]
    )
    async def items(
        query: Annotated[str, Query(max_length=MAX_ID)],
        limit: Annotated[int, Query(ge=1, le=MAX_K)] = 10,
    ) -> ItemsResponse:
        """Items whose titles hold the words, most played first; then those whose titles look alike."""
        context.turns.admit()
        recommender = context.model().recommender
        found = await context.turns.take(lambda: recommender.search(query, limit), True)
        return ItemsResponse(items=[ItemName(item_id=item_id, title=title) for item_id, title in found])

    return routes
