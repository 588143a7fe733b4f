"""The routes, one file per subject, each with a function `router(context) -> APIRouter`."""
