"""The gate's verdict on tonight's leaderboard: which model is promoted, and why or why not."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from numpy.typing import NDArray

from assets.contracts import checks_of
from assets.evaluation.anchor import best_of_late
from assets.evaluation.earlier_ranks import MADE_ANEW, earlier_evidence, play_ids
from assets.evaluation.fairness import read_test
from assets.evaluation.leaderboard import by_validation, leaderboard_rows
from assets.formats.table import HASH_OR_NONE, Table, count, flag, text, texts
from assets.resources import Gate, Home
from assets.sequences.loading import load_items, load_sequences, load_split, load_times
from assets.shown.tables import columns_shown
from assets.state.champions import Incumbent
from assets.state.code import made_by
from assets.state.lake import Lake, fingerprint
from assets.state.made_here import publish_row, read_row
from models.bundle.bundle import BundleError, OtherFormatError, bundle_hash, read_manifest
from models.bundle.formats import Format, format_in
from models.evaluation.gate import (
    Estimate,
    Evidence,
    Override,
    Policy,
    Verdict,
    choose,
)
from models.evaluation.slices import Slice, all_slices
from models.mistakes import UserError
from serving.state.pointer import read_pointer

CODE = made_by(__name__)
FORMATS = Format(1)  # of the verdict
SECONDS_A_DAY = 86_400
GATE = Table(
    "gate",
    "Promote or not, and why: a refused candidate is a normal outcome and a green run.",
    (
        flag("promote", "the verdict"),
        text("winner", "the architecture that is promoted; missing where none is", nullable=True),
        texts("reasons", "why, the deciding one first"),
        text("estimates", "the paired comparisons, JSON"),
        text("override", "who promoted in spite of the evidence, and why; JSON, null for nobody"),
        text("winner_hash", "of the bundle that was judged; empty where none is", matches=HASH_OR_NONE),
        text("champion_hash", "bundle of the champion to beat; empty for none", matches=HASH_OR_NONE),
        count("champion_reign", "which of all reigns the champion's is; 0 for none"),
        text("anchor_hash", "bundle of the best champion of late from now on", matches=HASH_OR_NONE),
        count("format", "of the verdict; there is none before release 1.0.0, and it counts as 1"),
    ),
    answers=True,
)


class VerdictError(UserError):
    """A verdict does not speak of what is there now; the message says what to do."""


class GateConfig(dg.Config):
    """Promote in spite of the evidence; both fields are needed, and both stand in the verdict."""

    override_reason: str = ""
    override_by: str = ""


@dg.asset(
    pool="lake",
    kinds={"python"},
    code_version=CODE,
    deps=["leaderboard", "test_ranks", "earlier_ranks"],
    description=GATE.words,
    metadata=columns_shown(GATE),
)
def gate(
    context: dg.AssetExecutionContext, home: Home, gate_policy: Gate, config: GateConfig
) -> dg.MaterializeResult[None]:
    policy = Policy(max_age_days=gate_policy.max_age_days, min_coverage=gate_policy.min_coverage)
    roles = ("candidate", "champion", "anchor", "baseline")
    by_role = {role: list(evidence(home, role)) for role in roles}
    champion, anchor = (next(iter(by_role[role]), None) for role in ("champion", "anchor"))
    override = None
    if config.override_reason or config.override_by:
        override = Override(config.override_reason, config.override_by)
        context.log.warning("Gate overridden by %s: %s", override.by, override.reason)
    verdict = choose(by_role["candidate"], champion, by_role["baseline"], policy, override, anchor)
    winner = _winner(verdict, [*by_role["candidate"], *by_role["baseline"]])
    best = best_of_late(home, verdict, winner or champion, anchor or champion, policy)
    _publish(home.lake(), verdict, winner, best, _champion_in(leaderboard_rows(home.lake())[0]))
    return dg.MaterializeResult(
        metadata={
            "verdict": dg.MetadataValue.md(verdict_markdown(verdict)),
            "promote": verdict.promote,
            "champion": verdict.winner or "none",
            "paired comparisons": dg.MetadataValue.md(estimates_markdown(verdict.estimates)),
        }
    )


def read_verdict(home: Home) -> Verdict:
    """The last verdict; raises LakeError when there is none, VerdictError for one that cannot be read."""
    row = read_row(home.lake(), GATE)
    if problem := FORMATS.problem("The verdict in the table 'gate'", format_in(row)):
        raise VerdictError(problem)
    try:
        override = json.loads(row["override"])
        return Verdict(
            row["promote"],
            row["winner"],
            row["reasons"],
            [Estimate(**e) for e in json.loads(row["estimates"])],
            Override(**override) if override else None,
        )
    except (KeyError, TypeError, ValueError):
        raise VerdictError(
            "The verdict in the table 'gate' cannot be read: materialize leaderboard and gate again."
        ) from None


def judged_bundle(home: Home, winner: str) -> Path:
    """The winner's bundle, as it was judged.

    Raises VerdictError where it has been made anew since, or another champion was set than the winner: then a
    person, or another run, has decided later than the gate.
    """
    row, bundle, champions = read_row(home.lake(), GATE), home.bundles().current(winner), home.champions()
    judged, now = row.get("winner_hash"), champions.whole()
    if bundle_hash(bundle) != judged:
        raise VerdictError(
            f"The bundle of {winner} is not the one that was judged: materialize leaderboard and gate again."
        )
    set_already = now is not None and now.twin_hash == judged  # after a kill the winner may be
    if champions.incumbent() != _champion_in(row) and not set_already:
        raise VerdictError(
            f"The champion is not the one that {winner} was judged against: materialize leaderboard and gate "
            "again."
        )
    return bundle


def judged_anchor(home: Home) -> str:
    """The hash of the anchor that the last verdict names; empty where a person has decided since."""
    row = read_row(home.lake(), GATE)
    decided_since = not row["promote"] and home.champions().incumbent() != _champion_in(row)
    return "" if decided_since else row.get("anchor_hash", "")


def evidence(home: Home, role: str) -> Iterator[Evidence]:
    """The evidence of each model of a role, best on validation first."""
    rows = [row for row in leaderboard_rows(home.lake()) if row["role"] == role]
    n_items = load_items(home.lake()).n_items
    asked = role == "candidate" and bool(rows)
    tested, groups = groups_of_test(home.lake()) if asked else (np.empty(0, dtype=np.str_), list[Slice]())
    for row in sorted(rows, key=by_validation):
        with home.lake().connect("test_ranks") as connection:
            ranks = connection.execute(
                "SELECT user_id, position, rank FROM test_ranks WHERE model = ? ORDER BY user_id, position",
                [row["model"]],
            ).fetchnumpy()
        users = np.asarray(ranks["user_id"]).astype(str)
        plays, several = play_ids(users, ranks["position"]), row["users"] < len(users)
        yield Evidence(
            name=row["architecture"],
            ranks=np.asarray(ranks["rank"], dtype=np.int32),
            users=plays if several else users,  # by their ids they are the people of earlier nights, too
            people=users if several else None,
            coverage=row["coverage_at_10"],
            age_days=_champion_age(home) if role == "champion" else None,
            export_error=row["export_error"],
            bundle_hash=row["bundle_hash"],
            nan_users=row["nan_users"],
            unknown_targets=row["unknown_targets"],
            validation=row["validation_ndcg_at_10"],
            n_items=n_items,
            groups=[replace(g, users=np.isin(plays, tested[g.users])) for g in groups],
            earlier=earlier_evidence(home.lake(), row["model"], plays) if role in MADE_ANEW else None,
        )
    if role == "champion" and not rows:
        yield from _broken_champion(home)


def groups_of_test(lake: Lake) -> tuple[NDArray[np.str_], list[Slice]]:
    """The test plays, and the groups of them on which nobody may collapse."""
    sequences, user_ids = load_sequences(lake)
    test, train, times = read_test(lake), load_split(lake).train, load_times(lake)
    groups = all_slices(
        test.histories,
        test.targets,
        train.lengths[test.users],
        train,
        load_items(lake).counts,
        times.gaps(sequences, test) if times else None,
        times.units_a_second if times else None,
    )
    return play_ids(user_ids[test.users], test.histories.lengths), groups


def _broken_champion(home: Home) -> Iterator[Evidence]:
    """A pointer whose bundle could not be opened when the leaderboard was made."""
    pointer = None
    try:
        pointer = read_pointer(home.pointer_file)
        if pointer is not None:
            folder = pointer.folder(home.pointer_file)
            read_manifest(pointer.twin_folder(home.pointer_file))
            yield Evidence.broken(read_manifest(folder).architecture, f"{folder.name} could not be evaluated")
    except OtherFormatError as error:
        yield Evidence.of_another_release(f"version {pointer.version}" if pointer else "champion", str(error))
    except BundleError as error:
        yield Evidence.broken("champion", str(error))


def _champion_age(home: Home) -> float | None:
    pointer = read_pointer(home.pointer_file)
    return None if pointer is None else (time.time() - pointer.promoted_at) / SECONDS_A_DAY


def _winner(verdict: Verdict, models: Sequence[Evidence]) -> Evidence | None:
    return next((e for e in models if verdict.promote and e.name == verdict.winner), None)


def _champion_in(row: Mapping[str, Any]) -> Incumbent:
    """The champion to beat, in a row of the leaderboard or the gate; those of earlier versions name none."""
    return Incumbent(row.get("champion_hash", ""), row.get("champion_reign", 0))


def _publish(
    lake: Lake, verdict: Verdict, winner: Evidence | None, anchor: Evidence | None, champion: Incumbent
) -> None:
    row = {
        "promote": verdict.promote,
        "winner": verdict.winner,
        "reasons": verdict.reasons,
        "estimates": json.dumps([asdict(e) for e in verdict.estimates]),
        "override": json.dumps(asdict(verdict.override) if verdict.override else None),
        "winner_hash": (winner.bundle_hash if winner else None) or "",
        "champion_hash": champion.bundle_hash,
        "champion_reign": champion.reign,
        "anchor_hash": (anchor.bundle_hash if anchor else None) or "",
        "format": FORMATS.current,
    }
    publish_row(lake, GATE, fingerprint("gate", CODE, lake.current("leaderboard").fingerprint, row), row)


GATE_CHECKS = checks_of(GATE)


def verdict_markdown(verdict: Verdict) -> str:
    """The verdict and its reasons, each on a line."""
    head = f"**Promote {verdict.winner}.**" if verdict.promote else "**Do not promote.**"
    lines = [head, *(f"- {reason}" for reason in verdict.reasons)]
    if verdict.override:
        lines.append(f"- Overridden by {verdict.override.by}: {verdict.override.reason}")
    return "\n".join(lines)


def estimates_markdown(estimates: Sequence[Estimate]) -> str:
    """The paired comparisons as a Markdown table; differences are candidate minus other."""
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
