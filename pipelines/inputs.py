"""What a run is made from, as short texts that differ when it differs, cheap enough to ask every night."""

from collections.abc import Mapping
from contextlib import closing
from importlib.metadata import version
from typing import Any

import dagster as dg

from assets.ingest.raw_file import Request
from assets.ingest.sources import UNKNOWN, source_state
from assets.resources import Home
from assets.state.code import made_by
from assets.state.lake import fingerprint
from models.bundle.code import endpoint_files, files_hash
from pipelines.resources import Settings, home_of, source_of
from serving.state.events import END_OF_TIME_MS

TAG = ".dagster/nextplay-inputs-"  # of a run, one an input; the UI hides what begins so
OLDER_TAG = "nextplay/inputs-"
LIBRARIES = ("duckdb", "numpy", "onnxruntime", "torch")
WITHOUT_EFFECT = frozenset(  # settings that change where or when a run happens, not what comes of it
    {"home", "progress", "verbose", "memory_limit", "reports_url", "nightly", "timezone", "alert_webhook"}
    | {"retrain_events", "watch", "drift_bound", "rate_bound", "backups", "keep_backups", "weekly"}
    | {"keep_runs_days"}
)


def read_inputs(settings: Settings) -> dict[str, str]:
    """The state of source, events, code and settings, now."""
    source, home = source_of(settings), home_of(settings)
    return {
        "source": source_state(Request(source, home.folder("raw"))),
        "events": events_state(home),
        "code": _code(),
        "settings": fingerprint(_with_effect(settings))[:16],
    }


def _with_effect(settings: Settings) -> dict[str, Any]:
    """What a run takes of the settings: of one that the source has its own default for, what holds."""
    given = settings.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
    return given | {"repeats": settings.repeats_kept}


def input_tags(inputs: Mapping[str, str]) -> dict[str, str]:
    """Tags by which a later night finds what a run was made from."""
    return {TAG + name: state for name, state in inputs.items()}


def changed(inputs: Mapping[str, str], run: dg.DagsterRun) -> list[str]:
    """The names of the inputs that are not as they were for a run; what cannot be told has changed."""
    return [
        name
        for name, state in inputs.items()
        if state == UNKNOWN or state not in (run.tags.get(TAG + name), run.tags.get(OLDER_TAG + name))
    ]


def events_state(home: Home, cutoff_ms: int = END_OF_TIME_MS) -> str:
    """The state of the event store for a run that takes events up to a cut-off: later ones are another
    state."""
    store = home.event_store()
    if store is None:
        return "none"
    with closing(store):
        state = f"{store.last_sequence(cutoff_ms)}-{len(store.forgotten_users())}"
        state += f"-{store.listing_state()}" if store.listed_items() else ""
        return state + (f"-f{told}" if (told := store.last_feedback()) else "")


def events_taken(run: dg.DagsterRun) -> int | None:
    """The sequence up to which a run took events into account, as its tags have it; None where they do
    not."""
    state = run.tags.get(TAG + "events") or run.tags.get(OLDER_TAG + "events") or ""
    sequence = state.partition("-")[0]
    return int(sequence) if sequence.isdigit() else None


def _code() -> str:
    """Of what makes tables, bundles and the Bento; what keeps or shows them starts no night."""
    made_by_code = [made_by("assets"), files_hash(endpoint_files())]
    return fingerprint(made_by_code, [version(name) for name in LIBRARIES])[:16]
