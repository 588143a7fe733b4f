"""What the soak counts as a fault, and that its page and picture show what it saw."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from benchmarks import soak_page
from benchmarks.soak import Sample, Soak, faults


def seen(**changes: Any) -> Soak:
    """An hour in which nothing went wrong, but for the changes."""
    samples = [Sample(60.0 * minute, 200, 60, minute, 2, 9) for minute in range(61)]
    whole = {
        "samples": samples,
        "kills": [1200.0],
        "failed": [(1201.0, 0)],
        "acknowledged": 10,
        "forgotten": 1,
    }
    return Soak(3600, "a machine", **{**whole, **changes})


def test_a_soak_in_which_nothing_was_lost_has_no_fault() -> None:
    assert list(faults(seen())) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"lost": 3}, "3 acknowledged events are lost."),
        ({"remembered": 2}, "2 events of forgotten users are there."),
        ({"failed": [(1211.0, 503)]}, "1 requests failed with no kill within 10 s before them."),
        ({"failed": [(1199.0, 500)]}, "1 requests failed with no kill within 10 s before them."),
        ({"samples": [Sample(m * 60.0, 200 + m, 60, 1, 2, 9) for m in range(61)]}, "Memory grew"),
        ({"samples": [Sample(0.0, 200, 60, 1, 2, 9)]}, "Memory grew from nan"),
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_what_does_not_hold_is_a_fault(changes: dict[str, Any], told: str) -> None:
    (fault,) = faults(seen(**changes))
    assert fault.startswith(told)


def test_the_page_is_made_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "soak.json"
    record.write_text(json.dumps(asdict(seen())))
    monkeypatch.setattr(soak_page, "RECORD", record)
    assert soak_page.read() == seen()
    assert "| events acknowledged | 10 | 0 lost |" in soak_page.page(soak_page.read())
    drawn = str(soak_page.chart(soak_page.read()))
    assert drawn.count("<polyline") == 5 and drawn.count("worker killed") == 4
