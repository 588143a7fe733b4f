"""Each attack that once succeeded, and where its relatives are tested; `make test-faults` runs them all."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RELATIVES = {
    "a lock that is set and empty": "tests/serving/test_environment.py",
    "keys that may more than they should": "tests/serving/test_access.py",
    "a clock that was wrong": "tests/pipelines/operator/test_stored_events.py "
    "tests/serving/state/test_events.py",
    "heads, bodies and chunks without an end": "tests/faults/test_connections.py "
    "tests/serving/test_connections.py",
    "connections that say nothing": "tests/faults/test_connections.py",
    "an event store that goes while it serves": "tests/faults/test_lost_store.py "
    "tests/faults/test_full_store.py tests/serving/state/test_events_sqlite.py",
    "a step that depends on the process before": "tests/models/training/test_export.py",
    "copies of a user that nobody had on the list": "tests/assets/release/test_erasure.py",
    "a user who calls himself as a record does": "tests/assets/release/test_erasure.py",
    "a gate that can be walked around": "tests/models/evaluation",
    "what is learned is not what is asked": "tests/pipelines/test_repeating.py",
    "an emergency command that looks at nothing": "tests/assets/release/test_rollback.py "
    "tests/faults/test_kill_commands.py",
    "a run that nobody sees": "tests/pipelines/operator/test_history.py tests/faults/test_hung_runs.py",
    "a setting that is given twice": "tests/pipelines/test_settings.py",
    "a key that only its owner can write": "tests/serving/test_environment.py tests/serving/test_access.py",
    "a folder that cannot be replaced": "tests/assets/state/test_backup.py",
    "what has a file's name and is none": "tests/faults/test_no_files.py tests/faults/test_lost_store.py",
    "an emergency command on a full disk": "tests/faults/test_full_disk.py",
    "years of nights": "tests/faults/test_many_days.py",
    "a reason that decided nothing": "tests/models/evaluation",
}


@pytest.mark.parametrize("attack", RELATIVES)
def test_the_relatives_of_an_attack_are_run(attack: str) -> None:
    recipe = re.search(r"^test-faults:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    run = re.findall(r"tests/\S+", recipe[1])
    for place in RELATIVES[attack].split():
        assert (ROOT / place).exists(), place
        assert any(place == path or place.startswith(f"{path}/") for path in run), place
