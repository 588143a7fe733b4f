"""The OpenAPI document: FastAPI's, with the schemas of the bodies that `read_body` reads."""

import json
import re
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

REFERENCE = "#/components/schemas/{model}"
WRITTEN = ("293120", "523300", "383310")  # the items of the examples in the schemas: the built-in sample's
EXAMPLE = re.compile(r'"({0})"|(?<=[ \[])({0})(?=[],])'.format("|".join(WRITTEN)))
WHOLE = 2**63  # above which a whole number is no id


def describe_body(schema: type[BaseModel]) -> dict[str, object]:
    """The part of the OpenAPI description of a route that reads its body by `read_body`."""
    content = {"application/json": {"schema": schema.model_json_schema(ref_template=REFERENCE)}}
    return {"requestBody": {"required": True, "content": content}}


def served_examples(made: dict[str, Any], items: Sequence[str]) -> dict[str, Any]:
    """The document with examples of the items that are served, so that what is sent from it is answered.

    `items` are ids, most played first; without any the examples stay as they are written.
    """
    if not items:
        return made

    def served(match: re.Match[str]) -> str:
        item_id = items[WRITTEN.index(match[1] or match[2]) % len(items)]
        as_number = match[2] and item_id.isascii() and item_id.isdecimal() and str(int(item_id)) == item_id
        return item_id if as_number and int(item_id) < WHOLE else json.dumps(item_id)

    text = EXAMPLE.sub(served, json.dumps(made))
    found: dict[str, Any] = json.loads(text)
    for path, operations in found["paths"].items():
        for parameter in (p for o in operations.values() for p in o.get("parameters", [])):
            if parameter["in"] == "path" and parameter["name"] == "item_id" and "{item_id" in path:
                parameter["schema"]["examples"] = [items[0]]
    return found


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
