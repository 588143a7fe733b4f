"""`make prune`: shows what retention would remove, and with YES=1 removes it; each run does so at its end."""

import sys

from assets.release.retention import ELSEWHERE, plan_removals, removal_size, remove
from assets.resources import Home
from pipelines.operator.command import run_command
from pipelines.resources import Settings, retention


def prune(settings: Settings, home: Home, do: bool) -> str:
    if home.lake_address:
        return ELSEWHERE
    with home.locked():
        plan = plan_removals(home, retention(settings))
        size = removal_size(home, plan)
        if do:
            remove(home, plan)
    if not len(plan):
        return "There is nothing to remove."
    lines = ["Removed:" if do else "Would be removed (make prune YES=1 does it):", ""]
    for kind, names in vars(plan).items():
        if names:
            lines.append(f"  {kind:<12} {len(names):>6,}   {size.get(kind, 0) / 1e6:>10,.1f} MB")
    lines.append(f"  {'in all':<12} {len(plan):>6,}   {sum(size.values()) / 1e6:>10,.1f} MB")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run_command(lambda settings, home: prune(settings, home, do="--yes" in sys.argv[1:])))
