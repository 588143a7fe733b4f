"""The deployment that the docs recommend: `python -m serving` runs it under uvicorn, one worker a core."""

import os
import sys

from models.memory import NO_MEMORY, AddressLimitError, check_room, out_of_memory

ADDRESSES = 700_000_000  # bytes that serving a small model takes
HUNG_SECONDS = 60  # of silence, before a worker is replaced: on a busy machine a start takes more than 5

try:
    check_room(ADDRESSES)
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import Multiprocess

    from serving.connections import IDLE_SECONDS, Connection
    from serving.listener import Listener, PortError, usable_port
    from serving.metrics_folder import metrics_folder
    from serving.private import keep_private
    from serving.settings import Deployment, check_addresses, load, load_settings
except AddressLimitError as error:
    sys.exit(str(error))
except (ImportError, MemoryError, OSError) as error:
    if not out_of_memory(error):
        raise
    sys.exit(NO_MEMORY)


def run(app: str, deployment: Deployment) -> None:
    """Serve an app factory, named `module:function`, until a signal ends it."""
    # Read when NumPy is imported: the cores belong to the workers, and a product does not share them out.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    host, port = deployment.host, deployment.port
    try:
        port = port and usable_port(host, port, "NEXTPLAY_PORT")
    except PortError as error:
        raise SystemExit(str(error)) from None
    config = uvicorn.Config(
        app,
        factory=True,
        host=host,
        port=port,
        workers=deployment.workers,
        access_log=False,  # the app logs its requests itself
        log_level="warning",
        http=Connection,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=10,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )
    with metrics_folder() as folder, Listener.bound(host, port) as own:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", folder)  # one /metrics for all workers
        supervisor = Multiprocess(config, sockets=[own])
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise SystemExit(STARTUP_FAILURE)


def main() -> None:
    keep_private()
    # A wrong setting ends this process, and no worker that would be started again for ever.
    check_addresses(load_settings())
    run("serving.worker:app", load(Deployment))


if __name__ == "__main__":
    main()
