"""Real histories, from the tables of the pipeline, against a running endpoint: `make serve`, `make load`.

Each player's history, cut at a random place, is one request; an API key comes from NEXTPLAY_API_KEY.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from serving.settings import Client, load

ROOT = Path(__file__).resolve().parents[1]
URL = load(Client).url
WAREHOUSE = Path(os.environ.get("NEXTPLAY_HOME", ROOT / "var")) / "warehouse.duckdb"
SCRIPT = str(ROOT / "benchmarks" / "requests.lua")
PLAYERS, SECONDS, CONNECTIONS = 5_000, 20, 16
HISTORIES = "SELECT list(item_id ORDER BY position) FROM core_interactions GROUP BY user_id ORDER BY user_id"


def bodies() -> list[str]:
    """A request of each of some thousand players; the same ones every time."""
    if not WAREHOUSE.exists():
        raise SystemExit(f"There is no {WAREHOUSE}: run the pipeline first, make run.")
    with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:
        played = [items for (items,) in connection.execute(HISTORIES).fetchall()]
    draw = random.Random(20181114)
    chosen = draw.sample(played, min(PLAYERS, len(played)))
    return [json.dumps({"history": items[: draw.randint(1, len(items))]}) for items in chosen]


def main() -> None:
    if not shutil.which("wrk"):
        raise SystemExit("The load scenario needs wrk: apt-get install wrk.")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(bodies()) + "\n")
        file.flush()
        wrk = [
            "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", SCRIPT, URL
        ]  # fmt: skip
        done = subprocess.run(
            [*wrk, "--", "/recommend", "0", "0", file.name], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"Nothing answers at {URL}: start the endpoint, make serve ({done.stderr.strip()}).")
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    rate = seen["requests"] / seen["seconds"]
    print(f"{URL}, {CONNECTIONS} connections, {SECONDS} s")
    print(f"{rate:,.0f} requests a second, {seen['errors']:.0f} errors")
    print("  ".join(f"{name} {seen[name]:.2f} ms" for name in ("p50", "p90", "p99", "max")))
    sys.exit(1 if seen["errors"] else 0)


if __name__ == "__main__":
    main()
