"""What a request costs the endpoint, in CPU time of its one worker, HTTP included; and its memory.

    python benchmarks/endpoint_cost.py var/champion/pointer.json

Starts `python -m serving` on the pointer's bundle, asks for ten games after a history of 40, one request
after the other on one connection, and prints CPU milliseconds a request and resident megabytes.
"""

import os
import subprocess
import sys
import time

import httpx
import psutil

PORT = "39871"
ADDRESS = f"http://127.0.0.1:{PORT}"
REQUESTS = 800


def wait_until_ready(seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{ADDRESS}/readyz", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    sys.exit("The endpoint was not ready in time: see its log above.")


def cpu_seconds(process: psutil.Process) -> float:
    """Of a server and its workers so far."""
    times = [one.cpu_times() for one in (process, *process.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def main(pointer: str) -> None:
    environment = os.environ | {
        "NEXTPLAY_POINTER": pointer, "NEXTPLAY_PORT": PORT, "NEXTPLAY_WORKERS": "1", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    server = subprocess.Popen([sys.executable, "-m", "serving"], env=environment)
    try:
        wait_until_ready()
        process = psutil.Process(server.pid)
        with httpx.Client(base_url=ADDRESS) as client:
            known = client.post("/recommend", json={"history": [], "k": 50}).json()["items"]
            body = {"history": ([item["item_id"] for item in known] * 40)[:40], "k": 10}
            for _ in range(50):
                client.post("/recommend", json=body).raise_for_status()
            before = cpu_seconds(process)
            for _ in range(REQUESTS):
                client.post("/recommend", json=body).raise_for_status()
            used = (cpu_seconds(process) - before) / REQUESTS
            n_items = client.get("/model").json()["n_items"]
        memory = sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
        print(f"{n_items:,} items: {used * 1000:.2f} ms CPU a request, {memory / 1e6:.0f} MB")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main(sys.argv[1])
