"""What may be used of a machine: by its control groups, in trees like real ones, and by affinity."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models import cores
from models.cores import usable_cores

POD = "kubepods.slice/kubepods-pod1.slice/cri-2.scope"


@pytest.fixture(autouse=True)
def _sixty_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 64 cores, on all of which this process may run."""
    monkeypatch.setattr(cores, "_allowed", lambda: 64)


@pytest.mark.parametrize(
    ("files", "usable", "why"),
    [
        ({}, 64, "no control groups"),
        ({"proc/self/cgroup": "0::/\n"}, 64, "no limit"),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64, "none, in words"),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2, "a container"),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2, "one and a half"),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "5000 100000\n"}, 1, "a twentieth"),
        (
            {"proc/self/cgroup": f"0::/{POD}\n", "sys/fs/cgroup/cpu.max": "300000 100000\n"},
            3,
            "a container that sees the host's path",
        ),
        (
            {
                "proc/self/cgroup": f"0::/{POD}\n",
                f"sys/fs/cgroup/{POD}/cpu.max": "max 100000\n",
                f"sys/fs/cgroup/{Path(POD).parent}/cpu.max": "400000 100000\n",
            },
            4,
            "the limit is of a group around",
        ),
        (
            {
                "proc/self/cgroup": "0::/user.slice/night.service\n",
                "sys/fs/cgroup/user.slice/cpu.max": "800000 100000\n",
                "sys/fs/cgroup/user.slice/night.service/cpu.max": "600000 100000\n",
            },
            6,
            "a service of systemd within a slice: the least counts",
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/1\n2:cpu,cpuacct:/docker/1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000\n",
            },
            5,
            "version 1, in a container",
        ),
        (
            {
                "proc/self/cgroup": "2:cpu:/docker/1\n0::/\n",
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/docker/1/cpu.cfs_period_us": "100000\n",
            },
            64,
            "version 1 without a limit",
        ),
        (
            {
                "proc/self/cgroup": "1:cpuset:/docker/1\n",
                "sys/fs/cgroup/cpuset/docker/1/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpuset/docker/1/cpu.cfs_period_us": "100000\n",
            },
            64,
            "another controller's files are none of ours",
        ),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "broken\n"}, 64, "nothing to read"),
    ],
)
def test_the_least_limit_counts(tmp_path: Path, files: dict[str, str], usable: int, why: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_cores(tmp_path) == usable, why


def test_more_than_there_are_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("9900000 100000\n")
    assert usable_cores(tmp_path) == 64


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="there is no affinity here")
def test_a_process_on_one_core_may_use_one() -> None:
    one = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, [{one}]); from models.cores import *; print(usable_cores())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout == "1\n"


def test_only_one_place_counts_cores() -> None:
    """What else asks the machine would start 64 threads in a pod of two cores."""
    root = Path(cores.__file__).parents[1]
    asking = [
        str(path.relative_to(root))
        for room in ("assets", "models", "pipelines", "serving")
        for path in sorted((root / room).rglob("*.py"))
        if "cpu_count" in path.read_text(encoding="utf-8")
    ]
    assert asking == ["models/cores.py"]
