"""Follows the champion's pointer: a new model is loaded beside the old one and swapped in whole."""

import gc
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from models.bundle.bundle import BundleError, bundle_hash
from models.memory import NO_MEMORY, out_of_memory
from serving import telemetry
from serving.baselines import load_baselines
from serving.mirror import Mirror
from serving.recommender import Recommender
from serving.state.events import ListedItem
from serving.state.pointer import Pointer, read_pointer
from serving.state.storage import StorageError
from serving.with_listed import Content, WithListed

RETRY_SECONDS = 30.0  # before a bundle that could not be loaded is tried again
TURN_SECONDS = 0.0005  # for which loading keeps the interpreter while requests wait; Python's own is 0.005


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model in service. A request takes one and uses it throughout, so no answer mixes two models."""

    recommender: Recommender
    version: str
    folder: Path
    bundle_hash: str
    baselines: Mapping[str, Recommender] = field(default_factory=dict)  # by name; for comparisons alone
    verdict: str = ""  # why it was promoted
    promoted_at: float = 0.0  # seconds since the epoch
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def architecture(self) -> str:
        return self.recommender.manifest.architecture


class Follower:
    """Keeps `current` at the model that the pointer names; None until the first one is loaded and warm.

    Whatever goes wrong, the model in service stays; a log line and a metric say so. With a `mirror` the
    pointer file is its copy of one on an object store, brought up to date before each look.
    """

    def __init__(
        self,
        pointer_file: Path,
        poll_seconds: float,
        threads: int,
        with_baselines: bool = False,
        mirror: Mirror | None = None,
    ) -> None:
        self.current: ServedModel | None = None
        self._pointer_file = pointer_file
        self._mirror = mirror
        self._poll_seconds = poll_seconds
        self._threads = threads
        self._changing = threading.Lock()  # held while `current` is replaced
        self._listed: Sequence[ListedItem] = ()
        self._plain: Recommender | None = None  # the model in service, without what is listed
        self._content: Content | None = None  # of its items
        self._with_baselines = with_baselines
        self._refused: tuple[object, ...] | None = None
        self._retry_at = 0.0
        self._problem = ""
        self._looked, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="pointer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def check(self) -> None:
        """Look at the pointer once and follow it."""
        try:
            self._follow()
        except Exception as error:  # whatever it is, the model in service must stay
            self._keep(error)
        telemetry.POINTER_LOOKED.set_to_current_time()

    def list_items(self, listed: Sequence[ListedItem]) -> None:
        """From now on these are listed, with this model and the next ones."""
        with self._changing, requests_first():
            self._listed = listed
            if self.current is not None:
                self.current = replace(self.current, recommender=self._with_listed())

    def first_look(self, seconds: float) -> None:
        """Wait until a model is loaded, or none could be, or the time is over."""
        if not self._looked.wait(seconds):
            reason = f"{self._pointer_file} has not been read for {seconds:.0f} s: its disk or host hangs."
            telemetry.log("pointer not read", reason=reason)

    def _run(self) -> None:
        self.check()
        self._looked.set()
        while not self._stopping.wait(self._poll_seconds):
            self.check()

    def _follow(self) -> None:
        if self._mirror is not None:
            self._mirror.sync()
        pointer = read_pointer(self._pointer_file)
        if pointer is None:
            raise BundleError(
                f"There is no pointer {self._pointer_file}: promote a model or set NEXTPLAY_POINTER."
            )
        wanted = (pointer.version, pointer.folder(self._pointer_file), pointer.bundle_hash)
        now = self.current
        if now is None or wanted != (now.version, now.folder, now.bundle_hash):
            if wanted == self._refused and time.monotonic() < self._retry_at:
                return
            self._refused, self._retry_at = wanted, time.monotonic() + RETRY_SECONDS
            with requests_first():
                model = self._load(pointer)
            self._swap(model)
        self._refused, self._problem = None, ""
        telemetry.RELOAD_FAILING.set(0)

    def _load(self, pointer: Pointer) -> ServedModel:
        folder = pointer.folder(self._pointer_file)
        if bundle_hash(folder) != pointer.bundle_hash:
            raise BundleError(f"The content of {folder} is not what the pointer names.")
        champion = Recommender(folder, self._threads)
        beaten = pointer.baseline_folders(self._pointer_file) if self._with_baselines else {}
        baselines = load_baselines(beaten, champion)
        return ServedModel(
            champion,
            pointer.version,
            folder,
            pointer.bundle_hash,
            baselines,
            verdict=pointer.reason,
            promoted_at=pointer.promoted_at,
        )

    def _swap(self, model: ServedModel) -> None:
        with self._changing:
            self._plain, self._content = model.recommender, Content(model.recommender.items)
            old, self.current = self.current, replace(model, recommender=self._with_listed())
        if old is not None:
            telemetry.MODEL_INFO.labels(old.version, old.architecture).set(0)
        telemetry.MODEL_INFO.labels(model.version, model.architecture).set(1)
        telemetry.MODEL_LOADED.set(model.loaded_at.timestamp())
        telemetry.MODEL_PROMOTED.set(model.promoted_at)
        telemetry.RELOADS.labels("success").inc()
        telemetry.log("model loaded", version=model.version, architecture=model.architecture)

    def _with_listed(self) -> Recommender:
        assert self._plain is not None and self._content is not None
        self._content.keep(self._listed)
        return WithListed(self._plain, self._content, self._listed) if self._listed else self._plain

    def _keep(self, error: Exception) -> None:
        """Report a failure once, until another takes its place; a bug comes with its stack trace."""
        telemetry.RELOAD_FAILING.set(1)
        short = out_of_memory(error)
        problem = NO_MEMORY if short else str(error) or type(error).__name__
        if problem == self._problem:
            return
        self._problem = problem
        telemetry.RELOADS.labels("failure").inc()
        kept = self.current.version if self.current else None
        trace = None if short or isinstance(error, BundleError | StorageError) else error
        telemetry.log("model not loaded", error=trace, reason=self._problem, kept_version=kept)


class _RequestsFirst:
    """Load while requests go on: they take many short turns, and collecting garbage is a long one.

    A model and a listing may be loaded at once: the last of them puts back what the first one found.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._loading, self._turn = 0, 0.0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._changing:
            if not self._loading:
                self._turn = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SECONDS)
                gc.disable()
            self._loading += 1
        try:
            yield
        finally:
            with self._changing:
                self._loading -= 1
                if not self._loading:
                    gc.enable()
                    sys.setswitchinterval(self._turn)


requests_first = _RequestsFirst()
