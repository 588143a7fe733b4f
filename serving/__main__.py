"""The deployment that the docs recommend: `python -m serving` runs it under uvicorn, one worker a core."""

import os
import tempfile

import uvicorn
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from serving.settings import load


class Deployment(BaseSettings):
    """Where the endpoint listens, and in how many processes."""

    model_config = SettingsConfigDict(env_prefix="NEXTPLAY_", env_ignore_empty=True)

    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    workers: int = Field(default=os.cpu_count() or 1, ge=1)


def main() -> None:
    deployment = load(Deployment)
    # Read when NumPy is imported: the cores belong to the workers, and a product does not share them out.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="nextplay-metrics-") as folder:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)  # one /metrics for all workers
        uvicorn.run(
            "serving.app:app_from_environment",
            factory=True,
            host=deployment.host,
            port=deployment.port,
            workers=deployment.workers,
            access_log=False,  # the app logs its requests itself
            log_level="warning",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
        )


if __name__ == "__main__":
    main()
