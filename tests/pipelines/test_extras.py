"""What is for more than one machine costs nothing on one: no extra is needed, and none is loaded."""

import subprocess
import sys
from pathlib import Path

EXTRAS = ("pyspark", "psycopg", "psycopg2", "boto3", "dagster_postgres", "sqlglot")
CODE = "import sys, pipelines.definitions; print(sorted(set({extras}) & set(sys.modules)))"


def test_the_default_path_loads_no_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(extras=EXTRAS)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "[]"
