"""The routes, one file a subject, each a function `router(context) -> APIRouter`."""
