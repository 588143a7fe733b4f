"""What operators and their tools ask for: the model in service, health, metrics."""

from datetime import UTC, datetime

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from models.release import RELEASE
from serving import telemetry
from serving.bodies import PROBLEMS
from serving.context import Context
from serving.schemas import ModelResponse


def router(context: Context) -> APIRouter:
    routes = APIRouter()

    @routes.get("/model", responses={503: PROBLEMS[503]})
    async def model() -> ModelResponse:
        """The model that serves now."""
        served = context.model()
        manifest = served.recommender.manifest
        return ModelResponse(
            version=served.version,
            release=RELEASE,
            bundle_release=manifest.release,
            architecture=manifest.architecture,
            n_items=manifest.n_items,
            data_fingerprint=manifest.data_fingerprint,
            bundle_hash=served.bundle_hash,
            metrics=manifest.metrics,
            source=manifest.source,
            split=manifest.split,
            trained_on=manifest.trained_on,
            trained_until=manifest.trained_until,
            trend_until=context.trend.until(served) if context.trend else "",
            twin=manifest.twin,
            verdict=served.verdict,
            promoted_at=datetime.fromtimestamp(served.promoted_at, UTC).isoformat(timespec="seconds"),
            filters=served.recommender.fields(),
            loaded_at=served.loaded_at.isoformat(timespec="seconds"),
        )

    @routes.get("/livez")
    async def livez() -> dict[str, str]:
        """Is the process alive?"""
        return {"status": "alive"}

    @routes.get("/readyz", responses={503: PROBLEMS[503]})
    async def readyz() -> dict[str, str]:
        """Is a model loaded and warmed up?"""
        context.model()
        return {"status": "ready"}

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Metrics in the Prometheus text format."""
        return Response(telemetry.exposition(), media_type=CONTENT_TYPE_LATEST)

    return routes
