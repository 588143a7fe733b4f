"""How many cores this process may use: what its affinity and its control groups allow, not what there are.

A pod of two cores on a machine of 64 sees 64 in `os.cpu_count()`. Control groups of both versions are read
as a Linux kernel shows them; elsewhere the affinity, or the machine, is all that counts.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

GROUPS = "proc/self/cgroup"  # a line for each hierarchy: number:controllers:path
MOUNTED = "sys/fs/cgroup"


def usable_cores(root: Path = Path("/")) -> int:
    """At least 1; a quota of part of a core counts as a whole one. `root` holds `proc` and `sys`."""
    quotas = [math.ceil(quota) for quota in _quotas(root)]
    return max(1, min([_allowed(), *quotas]))


def _allowed() -> int:
    """The cores that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # where there is no affinity


def _quotas(root: Path) -> Iterator[float]:
    """The limits, in cores, of the control groups that this process is in, and of those around them.

    Inside of a container the path may be that of the host, while what is mounted begins with the container's
    own group: so the top of what is mounted is always looked at.
    """
    for line in _lines(root / GROUPS):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        names = ["cpu", controllers] if controllers else ["", "unified"]
        mounted = [root / MOUNTED / name for name in names]
        parts = PurePosixPath(path.lstrip("/"))
        for folder in (base / group for base in mounted for group in [parts, *parts.parents]):
            yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    """The limit of one group, if it has any: `max 100000` and a quota of -1 are none."""
    try:
        if line := _lines(folder / "cpu.max"):
            quota, period = line[0].split()
        else:
            ((quota,), (period,)) = (_lines(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)
    except ValueError:  # no limit, or nothing that a kernel writes
        return


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
