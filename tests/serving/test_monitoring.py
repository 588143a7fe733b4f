"""Alert rules and dashboard ask for metrics that the endpoint has, and lead to chapters that are there."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

from serving import app
from tests.support.servers import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
OF_PROMETHEUS = {"instance", "job", "le"}
assert app  # which brings all metrics


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return list(json.loads((MONITORING / "dashboard.json").read_text())["panels"])


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def labels_of_metrics() -> dict[str, set[str]]:
    """The labels by the names under which a metric may be asked for."""
    found: dict[str, set[str]] = {}
    for collector in set(REGISTRY._collector_to_names):  # what is registered, whether it has samples or not
        for name in REGISTRY._collector_to_names[collector]:
            found[name] = set(getattr(collector, "_labelnames", ()))
    return found


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_is_asked_for_is_there(expression: str) -> None:
    known = labels_of_metrics()
    asked = re.findall(r"nextplay_\w+", re.sub(r'__name__=~"[^"]+"', "", expression))
    assert set(asked) <= set(known), expression
    chosen, grouped = r"\{([^}]*)\}", r"by \(([^)]*)\)"
    labels = set(re.findall(r"(\w+)=", " ".join(re.findall(chosen, expression))))
    labels |= set(re.findall(r"\w+", " ".join(re.findall(grouped, expression))))
    labels -= {"__name__"}
    assert labels <= OF_PROMETHEUS.union(*(known[name] for name in asked)), expression
    assert expression.count("(") == expression.count(")")


def test_every_alert_says_what_and_leads_to_a_chapter() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) > 15
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in slugs, rule["alert"]
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_whatever_can_fail_has_an_alert_and_what_is_measured_is_shown() -> None:
    ours = {family.name for family in REGISTRY.collect() if family.name.startswith("nextplay_")}
    alerted = " ".join(rule["expr"] for rule in rules())
    (pattern,) = re.findall(r'__name__=~"([^"]+)"', alerted)
    assert all(re.fullmatch(pattern, name) for name in ours if name.endswith("_failing"))
    shown = " ".join(expressions())
    seen = {name for name in ours if name in shown or re.fullmatch(pattern, name)}
    assert len(seen) > 0.7 * len(ours)


WORKER = """
import sys
from serving import telemetry

for name, gauge in vars(telemetry).items():
    if name.endswith("_FAILING"):
        gauge.set(float(sys.argv[1]))
print(telemetry.exposition().decode(), "told", sep="\\n", flush=True)
sys.stdin.read()
"""


def test_what_one_worker_cannot_load_is_told_though_others_can(tmp_path: Path) -> None:
    """One without memory for the new model serves the old one beside the others, as long as it lives."""

    def failing(value: int) -> set[str]:
        workers.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, str(value)], cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
            )
        )  # fmt: skip
        told = iter(workers[-1].stdout or ())
        lines = list(takewhile(lambda line: line != "told\n", told))
        return {line.split()[0] for line in lines if "_failing 1.0" in line}

    of_each = ("reload", "user_state", "blocklist", "keys", "listing", "trend")
    with ExitStack() as stack:
        workers: list[subprocess.Popen[str]] = []
        stack.callback(lambda: [(worker.kill(), worker.communicate()) for worker in workers])
        failing(1)
        assert failing(0) == {f"nextplay_{what}_failing" for what in of_each}
        workers[0].kill()
        workers[0].wait()
        assert failing(0) == set()
