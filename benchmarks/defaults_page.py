"""docs/benchmarks/defaults.md of what `benchmarks.defaults` has measured so far."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.common import unpacked
from benchmarks.defaults import DATA_SETS, RULE, VARIANTS
from benchmarks.tomorrow import codes_in
from benchmarks.tomorrow_page import DASH, Plays, difference
from models.evaluation.metrics import per_user

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "defaults.md"
Results = Mapping[tuple[str, str], Mapping[str, Any]]  # (data set, variant)


def write(results: Sequence[Mapping[str, Any]]) -> None:
    """Write the page."""
    found = of(results)
    PAGE.write_text(
        "\n".join([*_head(found), *_gains(found), "", *_left_out(found)]) + "\n", encoding="utf-8"
    )
    print(f"{PAGE} is written.")


def of(results: Sequence[Mapping[str, Any]]) -> Results:
    """The newest of each; where a change changes nothing, the rule's own."""
    newest = {(r["data"], r["variant"]): r for r in results}
    return {(data, v): newest[data, r["as"]] if "as" in r else r for (data, v), r in newest.items()}


def gain(found: Results, data: str, variant: str) -> float:
    """By which validation NDCG@10 is above the rule's, as a share of it."""
    return float(found[data, variant]["validation"] / found[data, RULE]["validation"] - 1)


def complete(found: Results) -> list[str]:
    """The data sets with all variants."""
    return [data for data in DATA_SETS if all((data, variant) in found for variant in VARIANTS)]


def chosen(found: Results, left_out: str) -> tuple[str, float]:
    """What gains most in the mean of the other data sets, and how much; the rule where nothing gains."""
    others = [data for data in complete(found) if data != left_out]
    means = {v: float(np.mean([gain(found, data, v) for data in others])) for v in VARIANTS}
    best = max(means, key=lambda variant: means[variant])
    return best, means[best]


def _head(found: Results) -> Iterator[str]:
    yield "# The rule for the defaults"
    yield (
        f"`python -m benchmarks.defaults`, {time.strftime('%Y-%m-%d')}, one seed each. SASRec's settings "
        "[follow from the data](../models.md#settings-that-follow-from-the-data) by a rule that was found on "
        "validation of the part of Steam and of Amazon's games. Here each of its choices is made another "
        "way, one at a time, on data sets that it has and has not seen. " + _progress(len(complete(found)))
    )


def _progress(made: int) -> str:
    if made == len(DATA_SETS):
        return f"All {made} data sets have all changes."
    return f"{made} of {len(DATA_SETS)} data sets have all changes so far; the command goes on."


def _gains(found: Results) -> Iterator[str]:
    there = [data for data in DATA_SETS if (data, RULE) in found]
    yield ""
    yield (
        "Validation NDCG@10 with the rule, and by how much a change is above it. An = says that the change "
        "changes nothing there. The last column is the mean over the data sets, and its standard error."
    )
    yield ""
    yield f"| change | {' | '.join(there)} | mean |"
    yield "|---|" + "---:|" * (len(there) + 1)
    for variant in VARIANTS:
        cells = [_cell(found, data, variant) for data in there]
        gains = [gain(found, data, variant) for data in there if (data, variant) in found]
        spread = np.std(gains, ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else float("nan")
        mean = DASH if variant == RULE or not gains else f"{np.mean(gains):+.1%} ({spread:.1%})"
        yield f"| {variant} | {' | '.join(cells)} | {mean} |"


def _cell(found: Results, data: str, variant: str) -> str:
    if (data, variant) not in found:
        return "not measured"
    if variant == RULE:
        return f"{found[data, RULE]['validation']:.4f}"
    same = found[data, variant] is found[data, RULE]
    return "=" if same else f"{gain(found, data, variant):+.1%}"


def _left_out(found: Results) -> Iterator[str]:
    there = complete(found)
    if len(there) < 2:
        return
    yield (
        "Each data set in turn is left out: the change that gains most on validation of the others, and what "
        "it then does to the test NDCG@10 of the one left out, with an interval of 95 % over its users."
    )
    yield ""
    yield "| left out | chosen by the others | gain there | test with the rule | test, chosen minus rule |"
    yield "|---|---|---:|---:|---:|"
    for data in there:
        variant, gained = chosen(found, data)
        values, rule = _values(found, data, variant), _values(found, data, RULE)
        yield (
            f"| {data} | {variant} | {gained:+.1%} | {rule.mean():.4f} | "
            f"{difference(Plays(values - rule, codes_in(found[data, RULE]['people'])))} |"
        )


def _values(found: Results, data: str, variant: str) -> NDArray[np.float64]:
    """Test NDCG@10 of each play."""
    return per_user("ndcg@10", unpacked(found[data, variant]["ranks"]))
