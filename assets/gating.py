"""The gate's verdict on tonight's leaderboard: who is promoted, and why or why not."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.evaluation import leaderboard_rows
from assets.io.lake import Lake, fingerprint, write_parquet
from assets.resources import Gate, Home
from models.bundle import BundleError, read_manifest
from models.evaluation.gate import Estimate, Evidence, Override, Policy, Verdict, choose
from models.pointer import read_pointer

SECONDS_A_DAY = 86_400
VERDICT = pa.schema(
    {
        "promote": pa.bool_(),
        "winner": pa.string(),
        "reasons": pa.list_(pa.string()),
        "estimates": pa.string(),  # JSON
        "override": pa.string(),  # JSON
    }
)


class GateConfig(dg.Config):
    """Promote in spite of the evidence; both fields are needed, and both stand in the verdict."""

    override_reason: str = ""
    override_by: str = ""


@dg.asset(
    pool="lake",
    group_name="evaluation",
    kinds={"python"},
    deps=["leaderboard"],
    description="Promote or not, and why: a refused candidate is a normal outcome and a green run.",
)
def gate(
    context: dg.AssetExecutionContext, home: Home, gate_policy: Gate, config: GateConfig
) -> dg.MaterializeResult[None]:
    policy = Policy(max_age_days=gate_policy.max_age_days, min_coverage=gate_policy.min_coverage)
    by_role = {role: list(evidence(home, role)) for role in ("candidate", "champion", "baseline")}
    champion = by_role["champion"][0] if by_role["champion"] else None
    override = None
    if config.override_reason or config.override_by:
        override = Override(config.override_reason, config.override_by)
        context.log.warning("Gate overridden by %s: %s", override.by, override.reason)
    verdict = choose(by_role["candidate"], champion, by_role["baseline"], policy, override)
    _publish(home.lake(), verdict)
    return dg.MaterializeResult(
        metadata={
            "verdict": dg.MetadataValue.md(verdict_markdown(verdict)),
            "promote": verdict.promote,
            "champion": verdict.winner or "none",
            "paired comparisons": dg.MetadataValue.md(estimates_markdown(verdict.estimates)),
        }
    )


def read_verdict(home: Home) -> Verdict:
    """The last verdict; raises LakeError when there is none."""
    with home.lake().connect("gate") as connection:
        (row,) = connection.sql("FROM gate").to_arrow_table().to_pylist()
    override = json.loads(row["override"])
    return Verdict(
        row["promote"],
        row["winner"],
        row["reasons"],
        [Estimate(**e) for e in json.loads(row["estimates"])],
        Override(**override) if override else None,
    )


def evidence(home: Home, role: str) -> Iterator[Evidence]:
    """The evidence of each model of a role, best on validation first."""
    rows = [row for row in leaderboard_rows(home.lake()) if row["role"] == role]
    for row in sorted(rows, key=lambda row: -row["validation_ndcg_at_10"]):
        with home.lake().connect("test_ranks") as connection:
            ranks = connection.execute(
                "SELECT user_id, rank FROM test_ranks WHERE model = ? ORDER BY user_id", [row["model"]]
            ).fetchnumpy()
        yield Evidence(
            name=row["architecture"],
            ranks=np.asarray(ranks["rank"], dtype=np.int32),
            users=np.asarray(ranks["user_id"]).astype(str),
            coverage=row["coverage_at_10"],
            age_days=_champion_age(home) if role == "champion" else None,
            export_error=row["export_error"],
            bundle_hash=row["bundle_hash"],
            nan_users=row["nan_users"],
            unknown_targets=row["unknown_targets"],
            validation=row["validation_ndcg_at_10"],
        )
    if role == "champion" and not rows:
        yield from _broken_champion(home)


def _broken_champion(home: Home) -> Iterator[Evidence]:
    """A pointer whose bundle could not be opened when the leaderboard was made."""
    try:
        pointer = read_pointer(home.pointer_file)
        if pointer is not None:
            folder = pointer.folder(home.pointer_file)
            yield Evidence.broken(read_manifest(folder).architecture, f"{folder.name} could not be evaluated")
    except BundleError as error:
        yield Evidence.broken("champion", str(error))


def _champion_age(home: Home) -> float | None:
    pointer = read_pointer(home.pointer_file)
    return None if pointer is None else (time.time() - pointer.promoted_at) / SECONDS_A_DAY


def _publish(lake: Lake, verdict: Verdict) -> None:
    row = {
        "promote": verdict.promote,
        "winner": verdict.winner,
        "reasons": verdict.reasons,
        "estimates": json.dumps([asdict(e) for e in verdict.estimates]),
        "override": json.dumps(asdict(verdict.override) if verdict.override else None),
    }

    def write(path: Path) -> None:
        with lake.connect() as connection:
            connection.register("verdict_row", pa.Table.from_pylist([row], VERDICT))
            write_parquet(connection, "FROM verdict_row", path)

    lake.publish("gate", fingerprint(lake.current("leaderboard").fingerprint, row), write)


def verdict_markdown(verdict: Verdict) -> str:
    """The verdict and its reasons, one a line."""
    head = f"**Promote {verdict.winner}.**" if verdict.promote else "**Do not promote.**"
    lines = [head, *(f"- {reason}" for reason in verdict.reasons)]
    if verdict.override:
        lines.append(f"- Overridden by {verdict.override.by}: {verdict.override.reason}")
    return "\n".join(lines)


def estimates_markdown(estimates: Sequence[Estimate]) -> str:
    """The paired comparisons as a Markdown table; differences are candidate less other."""
    lines = [
        "| candidate | compared with | users | difference | 95 % interval | margin | detectable |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {e.candidate} {e.candidate_value:.4f} | {e.compared_with} {e.other_value:.4f} | {e.users:,} "
        f"| {e.difference:+.4f} | {e.low:+.4f} to {e.high:+.4f} "
        f"| {e.margin:.4f} | {e.detectable_difference:.4f} |"
        for e in estimates
    ]
    return "\n".join(lines)
