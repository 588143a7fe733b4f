"""The OpenAPI document: FastAPI's, with the schemas of the bodies that `read_body` reads."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"


def describe_body(schema: type[BaseModel]) -> dict[str, object]:
    """The part of the OpenAPI description of a route that reads its body by `read_body`."""
    content = {"application/json": {"schema": schema.model_json_schema(ref_template=REFERENCE)}}
    return {"requestBody": {"required": True, "content": content}}


def document(app: FastAPI) -> dict[str, Any]:
    """Made once an app. Schemas that a body refers to move to where the references look for them."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        shared = made.setdefault("components", {}).setdefault("schemas", {})
        for operations in made["paths"].values():
            for operation in operations.values():
                for content in operation.get("requestBody", {}).get("content", {}).values():
                    shared.update(content["schema"].pop("$defs", {}))
        app.openapi_schema = made
    return app.openapi_schema
