"""Players who play things again: the best network beside the best baseline, both ways of counting, by seed.

    python -m benchmarks.repeats            writes docs/benchmarks/repeats.md; goes on where it was stopped

The sample `sample-repeats` with all plays kept, the seed of the sample and of training alike. The network is
the one that validation chooses, so that its test figure is no choice of the best; the baseline is the best on
test, which favours it.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assets.evaluation.leaderboard import leaderboard_rows
from benchmarks import records
from models.baselines import BASELINES
from models.blend.scorer import BLEND
from models.networks import NETWORKS
from pipelines.apart import run_apart
from pipelines.resources import Settings, home_of

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "docs" / "benchmarks" / "repeats.md"
SEEDS = (1, 2, 3)
COUNTED = {"no": "seen items are answers", "yes": "seen items are left out"}  # by NEXTPLAY_EXCLUDE_SEEN


def measured(exclude_seen: str, seed: int, size: str, folder: Path) -> dict[str, Any]:
    """The leaderboard of one seed."""
    settings = Settings(
        home=folder / f"{exclude_seen}-{seed}", source="sample-repeats", repeats="keep", progress=False,
        exclude_seen=exclude_seen, sample_size=size, sample_seed=seed, seed=seed,
    )  # fmt: skip
    if why := run_apart(settings, until=["leaderboard"]):
        raise SystemExit(f"{COUNTED[exclude_seen]}, seed {seed}: {why}")
    rows = leaderboard_rows(home_of(settings).lake())
    columns = ("model", "role", "validation_ndcg_at_10", "ndcg_at_10", "ndcg_at_10_low", "ndcg_at_10_high")
    return {
        "exclude_seen": exclude_seen,
        "seed": seed,
        "rows": [{name: row.get(name) for name in columns} for row in rows],
    }


def page(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "# Plays again"
    yield ""
    yield (
        f"`python -m benchmarks.repeats`, {time.strftime('%Y-%m-%d')}: the sample of players who play things "
        "again (`NEXTPLAY_SOURCE=sample-repeats`, `NEXTPLAY_REPEATS=keep`, default size), the whole pipeline "
        "to the leaderboard. NDCG@10 on test. The network is the one that validation chooses, the baseline "
        "the best on test, which favours it. The blend is what a night makes of both."
    )
    for exclude_seen, words in COUNTED.items():
        yield ""
        yield f"## `NEXTPLAY_EXCLUDE_SEEN={exclude_seen}`: {words}"
        yield "| seed | optimum | network | | best baseline | | network to baseline | blend |"
        yield "|---:|---:|---|---:|---|---:|---:|---:|"
        for result in sorted(results, key=lambda result: result["seed"]):
            if result["exclude_seen"] == exclude_seen:
                yield line(result)


def line(result: Mapping[str, Any]) -> str:
    rows = result["rows"]
    networks = [row for row in rows if row["model"] in NETWORKS]
    network = max(networks, key=lambda row: row["validation_ndcg_at_10"])
    baseline = max((row for row in rows if row["model"] in BASELINES), key=lambda row: row["ndcg_at_10"])
    told = {row["model"]: f"{row['ndcg_at_10']:.4f}" for row in rows}
    cells = [
        str(result["seed"]), told.get("optimum", ""),
        network["model"], f"{network['ndcg_at_10']:.4f}",
        baseline["model"], f"{baseline['ndcg_at_10']:.4f}",
        f"{network['ndcg_at_10'] / baseline['ndcg_at_10']:.3f}", told.get(BLEND, ""),
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, default=ROOT / "var" / "bench" / "repeats")
    parser.add_argument("--size", default="default", help="of the sample; another one writes no page")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    results, own = options.keep / "results.jsonl", options.size == "default"
    for seed in options.seeds:
        for exclude_seen in COUNTED:
            known = {(found["exclude_seen"], found["seed"]) for found in records.read(results)}
            if (exclude_seen, seed) not in known:
                records.append(results, measured(exclude_seen, seed, options.size, options.keep))
                told = "\n".join(page(records.read(results))) + "\n"
                print(told)
                if own:
                    REPORT.write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
