"""Items that applications list, before anybody has played them."""

from fastapi import APIRouter, Depends, HTTPException, Request

from models.bundle.ids import MAX_ID, trimmed
from serving import telemetry
from serving.bodies import PROBLEMS, given_once, read_body
from serving.context import Context
from serving.listing import Listing
from serving.listing_schemas import (
    ItemResponse,
    ListingRequest,
    ListingResponse,
    NewItem,
    UnlistedResponse,
    kind_fault,
    refuse_listing,
)
from serving.openapi import describe_body
from serving.routes.catalogue import UNKNOWN_ITEM
from serving.routes.ids import ITEM_PATH
from serving.schemas import ModelName, Problem
from serving.state.events import MAX_LISTED, MAX_NAMES, EventStoreError, ListingFullError

NO_STORE: dict[str, object] = {"model": Problem, "description": "Nothing can be listed here."}
NOT_LISTED: dict[str, object] = {"model": Problem, "description": "It is not listed."}
BUSY: dict[str, object] = {"model": Problem, "description": "It could not be stored now: send it again."}
FULL: dict[str, object] = {
    "model": Problem,
    "description": f"More than {MAX_LISTED:,} items would be listed, or more than {MAX_NAMES} attributes.",
}


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.post(
        "/items",
        responses={**PROBLEMS, 404: NO_STORE, 409: FULL, 503: BUSY},
        openapi_extra=describe_body(ListingRequest),
    )
    async def list_items(request: Request) -> ListingResponse:
        """List items, acknowledged once they are durable; listed ones are described anew. They are in answers
        within seconds, and in the vocabulary of the next nightly run."""
        items = (await read_body(request, ListingRequest, refuse_listing)).items
        listing = _listing(context)
        if fault := _fault(context, items):
            raise HTTPException(422, fault)
        try:
            done = await context.ask_store(listing.add, [item.listed() for item in items])
        except ListingFullError as full:
            raise HTTPException(409, f"{full}: remove some items by DELETE /items/ITEM_ID.") from None
        except EventStoreError as error:
            raise _busy(error, "The items could not be listed now: send them again.") from None
        request.state.fields.update(listed=done.new, replaced=done.replaced)
        return ListingResponse(
            listed=done.new,
            replaced=done.replaced,
            played=[item for item in (str(item.item_id) for item in items) if _plays(context, item)],
            request_id=request.state.request_id,
        )

    @routes.delete(ITEM_PATH, responses={404: NOT_LISTED, 503: BUSY}, dependencies=[Depends(given_once)])
    @routes.delete("/items", responses={404: NOT_LISTED, 503: BUSY}, dependencies=[Depends(given_once)])
    async def unlist(request: Request, item_id: str) -> UnlistedResponse:
        """End the listing of an item. What people have played stays in answers; a blocklist takes it out."""
        listing, item_id = _listing(context), trimmed(item_id)
        try:
            listed = await context.ask_store(listing.remove, item_id) if "\0" not in item_id else False
        except EventStoreError as error:
            raise _busy(error, "The item could not be removed now: send it again.") from None
        if not listed:
            raise HTTPException(404, f"The item {item_id[:MAX_ID]} is not listed.")
        return UnlistedResponse(item_id=item_id, request_id=request.state.request_id)

    @routes.get(ITEM_PATH, responses={404: UNKNOWN_ITEM, 503: PROBLEMS[503]})
    async def item(request: Request, item_id: str) -> ItemResponse:
        """What the model in service knows of an item, which may be a listed one."""
        model, item_id = context.model(), trimmed(item_id)
        recommender = model.recommender
        index = recommender.index.get(item_id)
        if index is None:
            raise HTTPException(404, f"The model knows no item {item_id[:MAX_ID]}: GET /items finds items.")
        items = recommender.items
        values = {name: of.values[index] for name, of in items.attributes.items()}
        return ItemResponse(
            item_id=item_id,
            title=items.titles[index],
            attributes={name: value for name, value in values.items() if value is not None},
            plays=int(items.counts[index]),
            model=ModelName(version=model.version, architecture=model.architecture),
            request_id=request.state.request_id,
        )

    return routes


def _listing(context: Context) -> Listing:
    if context.listing is None:
        raise HTTPException(404, "Nothing can be listed here: start the endpoint with NEXTPLAY_EVENTS=path.")
    return context.listing


def _fault(context: Context, items: list[NewItem]) -> str | None:
    """What is wrong with items that are well formed, if anything."""
    model, there = context.follower.current, set[str]()
    known = model.recommender.items.attributes if model else {}
    kinds = {name: attribute.kind for name, attribute in known.items()}
    for number, item in enumerate(items):
        item_id = str(item.item_id)
        if item_id in there:
            return f"items[{number}].item_id stands there twice: {item_id[:MAX_ID]}."
        there.add(item_id)
        if fault := kind_fault(item.attributes, kinds):
            return f"items[{number}].attributes.{fault}."
    return None


def _plays(context: Context, item_id: str) -> int:
    model = context.follower.current
    index = model.recommender.index.get(item_id) if model else None
    return int(model.recommender.items.counts[index]) if model and index is not None else 0


def _busy(error: EventStoreError, detail: str) -> HTTPException:
    telemetry.log("listing not changed", reason=str(error))
    return HTTPException(503, detail, {"Retry-After": "1"})
