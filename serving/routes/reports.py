"""The page of nights and the gate reports at /reports/, where `NEXTPLAY_REPORTS` names their folder."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from serving import reports
from serving.context import Context


def router(context: Context) -> APIRouter:
    routes = APIRouter()
    folder = context.settings.reports
    if folder is None:
        return routes

    @routes.api_route("/reports/", methods=["GET", "HEAD"], include_in_schema=False)
    @routes.api_route("/reports/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    def page(request: Request) -> Response:
        return reports.answer(folder, request.path_params.get("name", ""))

    return routes
