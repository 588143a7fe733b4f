"""How often the gate is right: runs every simulation and writes docs/benchmarks/gate.md."""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gate_power import BASELINE_NDCG, table
from benchmarks.gate_rules import NIGHTS, collapse, creep, falls, few_users, leak
from models.evaluation.gate import Policy

REPORT = Path(__file__).parents[1] / "docs" / "benchmarks" / "gate.md"


def markdown(rows: Iterator[list[str]]) -> str:
    """A table; the first row is its head. Printed as it grows."""
    head = next(rows)
    lines = [f"| {' | '.join(head)} |", "| " + " | ".join(["---:"] * len(head)) + " |"]
    print("\n".join(lines))
    for row in rows:
        lines.append(f"| {' | '.join(row)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def report(pairs: int, policy: Policy, seed: int) -> str:
    """The whole page; takes minutes."""
    doubt = 196 * math.sqrt(0.09 / pairs)
    return f"""# How often the gate is right

By simulation, each rule on its own: how often it refuses what it should let in, and lets in what it should
refuse. What the rules are stands at the top of [gate.py](../../models/evaluation/gate.py), each has a file in
[rules](../../models/evaluation/rules), and their numbers are `Policy` in
[evidence.py](../../models/evaluation/evidence.py).

## Few users

A candidate beside one baseline: how often its interval lies above 0. *Level* candidates are false promotions;
5% of them at most is asked for.

{markdown(few_users(pairs, policy, seed))}

- **{policy.min_users} test users are the smallest number on which a network can be promoted.** Below it no
  network is, a champion stays, and the best baseline serves where there is none. The verdict says so.
- With a few dozen users only a network that is far better is told from a baseline.
- The last two columns: below {policy.pool_below:,} test users the gate counts plays of earlier nights, too,
  beside a baseline. A night keeps them in the table `earlier_ranks`, and counts those that models of the same
  code, split and settings were tested on. People are drawn with all their plays, so that {NIGHTS} plays of
  one person do not pass for {NIGHTS} people. A candidate that tonight's plays alone put surely below a
  baseline is refused, whatever earlier nights say.

## The champion's margin

A candidate must be no worse than the champion by more than a margin: the larger of
{policy.margin_floor:.0%} of the champion's NDCG@10 and the difference that this very test detects.
While the champion is at most {policy.max_age_days:.0f} days old, the margin is at most
{policy.margin_ceiling:.0%}; past its age, at most {policy.stale_ceiling:.0%}.

How often does that rule promote a candidate that is as good as the champion, and how often
one that is worse by exactly the margin? Asked for with 10,000 test users: at least 80% of the
equal ones and at most 5% of the worse ones.

{table(pairs, policy, seed)}

*Stale* means a champion past its age. Margins are relative to the champion's NDCG@10.

- With 10,000 users or more the test is fine enough for both, whatever the champion's age.
- With few users no test can tell a small loss from chance. A young champion is then kept: the
  margin stops at {policy.margin_ceiling:.0%}, and many equal candidates are refused. A stale one yields: its
  margin grows to what the test detects, so more equal candidates win. The price stands in the
  column of its margin: only a loss beyond that is refused reliably.
- Beating the baseline (NDCG@10 {BASELINE_NDCG}) is part of every verdict, and with few users that
  alone refuses some.
- The detectable difference is reckoned for {policy.power:.0%} power. With 80% the share of equal candidates
  promoted would fall below 80% in every other simulation.

## The anchor

A margin is granted anew every night, so many small losses could add up. The anchor is the best champion of
late: it stays until something beats it, or until {policy.anchor_days:.0f} days after its reign if the
champion is not below it then. A candidate must be no worse than the anchor by more than a margin of at most
{policy.margin_ceiling:.0%}, unless it beats the champion with its interval.

Sixty nights of candidates, each 0.5% worse than the one before, end at this much of the first champion:

{markdown(creep(pairs, policy, seed))}

## The floor

A champion that a baseline of tonight beats with its interval, corrected for the number of baselines, falls,
on a night without any candidate, too. Six baselines of equal quality, a champion level with them or below:

{markdown(falls(pairs, policy, seed))}

Where a champion that is level with the best baseline falls by chance, nothing is lost: that is as good.

## Nobody is given up

In the first two columns a fifth of the users falls to zero, and the others gain so much that the mean is 10%
up. Without a label only the champion's surest hits betray that, so few users are not enough; where the fifth
is one of the groups that the report shows, it is named.

{markdown(collapse(pairs, policy, seed))}

The last two columns are false alarms: a network that is 5% better than the network that serves, and one in
place of a baseline that serves, which is a model of another kind.

## Leaks

A network whose test items leaked into training is good on test alone. The lower end of its ratio of test to
validation is compared with {policy.max_test_gain} times the upper end of that of the baselines together.

{markdown(leak(pairs, policy, seed))}

## Coverage

No simulation is needed: {policy.min_coverage:.0%} is asked for of what the lists of the test users have room
for, min(1, 10 x users / items) of the catalogue. A baseline that shows less serves only where it beats the
best of those that show enough with its interval, or where there is none.

## What it does not say

*Equal* means equal over all users there could be. Two trainings of one network are not quite:
another seed moves the true NDCG@10 too, and the gate judges the network that it gets.

## How it was measured

`python -m benchmarks.gate_page --pairs {pairs} --seed {seed}`: {pairs} simulated nights a cell (a fifth from
30,000 users on, 20 at least; four times as many with few users), so a share of 90% is known to within about
{doubt:.0f} points; {policy.resamples:,} resamples each; the gate's own `decide` and `choose`.

The simulated ranks are log-normal and as alike as real ones. Two GRU4Rec trainings (25 epochs,
seeds 1 and 2) on a sample of real Steam libraries (6,611 users, 1,749 games, 5-core, in the order
of the file, which is not dated) had test NDCG@10 0.189 and 0.186. User by user these correlated
0.90, and their differences had a standard deviation of 0.148; the logarithms of their ranks
correlated 0.947 and had a standard deviation of 2.19. The baseline is a Markov chain with 0.165.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    text = report(arguments.pairs, Policy(resamples=1_000), arguments.seed)
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
