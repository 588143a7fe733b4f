"""The champion, those before it, and every change: files beside the pointer that serving follows.

champion/pointer.json   the champion; replacing it is the promotion
champion/past.json      those to go back to, oldest first
champion/history.json   every champion ever set, oldest first, each with the tables of its night
champion/anchor.json    the best champion of late, against which many small losses are added up

All of them change as one: see `assets.state.change`.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from assets.state.change import (
    ANCHOR_FILE,
    HISTORY_FILE,
    PAST_FILE,
    Change,
    as_json,
    close,
    stamp,
    unfinished,
)
from assets.state.files import replace_text
from models.bundle.bundle import BundleError, OtherFormatError
from serving.state.pointer import Pointer, pointer_of, read_pointer
from serving.state.regular import LARGEST_LIST, NoFileError, read_regular


@dataclass(frozen=True)
class Reign:
    """A champion as it was set. `tables` names the version (fingerprint) of each table then."""

    pointer: Pointer
    tables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Incumbent:
    """The champion, and which of all reigns this is: one that is set back is another incumbent than before.

    The hash is empty and the number 0 where there is no champion, or its pointer is damaged.
    """

    bundle_hash: str = ""
    reign: int = 0


@dataclass(frozen=True)
class Anchor:
    """The best champion of late. `last_served` is the last night that found it champion, in epoch seconds."""

    bundle: (
        str  # the folder's name among the bundles; of a champion that was refitted the one that was judged
    )
    bundle_hash: str
    last_served: float


class Champions:
    """The champion and its predecessors. Whoever writes holds the home's lock.

    `hand_on` is called after every change: it lets the endpoints of other machines follow. `tell` is called
    with each new champion, after it serves.
    """

    def __init__(
        self,
        pointer_file: Path,
        hand_on: Callable[[], None] | None = None,
        tell: Callable[[Pointer], None] | None = None,
    ) -> None:
        self._pointer_file, self._hand_on, self._tell = pointer_file, hand_on, tell

    def current(self) -> Pointer | None:
        """None before the first promotion; raises BundleError where the pointer cannot be understood."""
        return read_pointer(self._pointer_file)

    def whole(self) -> Pointer | None:
        """The champion, or None where there is none or its pointer is damaged.

        Raises OtherFormatError: what another release has written is whole, and nobody's to replace.
        """
        try:
            return self.current()
        except OtherFormatError:
            raise
        except BundleError:
            return None

    def incumbent(self) -> Incumbent:
        """The champion now; raises BundleError where the history cannot be understood."""
        now = self.whole()
        return Incumbent() if now is None else Incumbent(now.bundle_hash, len(self._finished()))

    def incumbent_at(self, moment: float) -> Incumbent:
        """The champion at a moment (seconds since the epoch), as far as there is one now.

        One from the future, whose clock was moved back, counts as there all along.
        """
        reigns = [r.pointer for r in self._finished() if not moment < r.pointer.promoted_at <= time.time()]
        return Incumbent(reigns[-1].bundle_hash, len(reigns)) if reigns and self.whole() else Incumbent()

    def past(self) -> list[Pointer]:
        """The champions to go back to, oldest first."""
        with self._understood(PAST_FILE):
            return [pointer_of(values) for values in self._read(PAST_FILE)]

    def history(self) -> list[Reign]:
        """Every champion ever set, oldest first. One set while the run was killed may be last."""
        with self._understood(HISTORY_FILE):
            found = [Reign(pointer_of(v["pointer"]), dict(v["tables"])) for v in self._read(HISTORY_FILE)]
        if found:
            return found
        now = self.whole()  # a home from before there was a history
        return [Reign(pointer) for pointer in [*self.past(), *([now] if now else [])]]

    def folder(self, pointer: Pointer) -> Path:
        """Where the champion's bundle lies."""
        return pointer.folder(self._pointer_file)

    def twin(self, pointer: Pointer) -> Path:
        """Where the bundle lies that was judged, in place of the champion's where that is a refit."""
        return pointer.twin_folder(self._pointer_file)

    def anchor(self) -> Anchor | None:
        """The best champion of late; None before the first verdict, or where its file is damaged."""
        try:
            found = self._read(ANCHOR_FILE)
            anchor = Anchor(**found) if isinstance(found, dict) else None
        except (BundleError, TypeError):
            return None
        return anchor if anchor is not None and _is_whole(anchor) else None

    def set_anchor(self, anchor: Anchor) -> None:
        self._write(ANCHOR_FILE, asdict(anchor))
        self.hand_on()

    def crown(self, pointer: Pointer, tables: Mapping[str, str], *, by_hand: bool = False) -> None:
        """Set the next champion. One that a person has chosen is also what candidates are held against."""
        before, past = self.whole(), self.past()
        if before is not None:
            past = [p for p in past if p.bundle_hash not in (before.bundle_hash, pointer.bundle_hash)]
            past = [*past, before]
        self._change(pointer, past, tables, forgets_anchor=by_hand, back=False)

    def restore(self, pointer: Pointer, past: Sequence[Pointer], tables: Mapping[str, str]) -> None:
        """Set an earlier champion again; `past` is what remains to go back to."""
        self._change(pointer, past, tables, forgets_anchor=True, back=True)

    def finish(self) -> Change | None:
        """Finish the change that a kill has left, and say which it was; one that fits no more is dropped."""
        left = unfinished(self._pointer_file)
        if left is not None:
            left.write(self._pointer_file)
            self.tell_of(left.pointer)
        close(self._pointer_file)
        return left

    def tell_of(self, pointer: Pointer) -> None:
        """Let other machines follow, and MLflow know, of what serves; again where a run was killed."""
        self.hand_on()
        if self._tell is not None:
            self._tell(pointer)

    def hand_on(self) -> None:
        """Let other machines follow, where there are any."""
        if self._hand_on is not None:
            self._hand_on()

    def _change(
        self,
        pointer: Pointer,
        past: Sequence[Pointer],
        tables: Mapping[str, str],
        *,
        forgets_anchor: bool,
        back: bool,
    ) -> None:
        baselines = {name: str(path) for name, path in pointer.baseline_folders(self._pointer_file).items()}
        judged = str(pointer.twin_folder(self._pointer_file)) if pointer.judged else ""
        absolute = replace(pointer, bundle=str(self.folder(pointer)), baselines=baselines, judged=judged)
        pointer = absolute.relative_to(self._pointer_file.parent.resolve())
        history = [*self._finished(), Reign(pointer, dict(tables))]
        change = Change(
            pointer,
            [asdict(p) for p in past],
            [asdict(reign) for reign in history],
            forgets_anchor,
            back,
            before=stamp(self._pointer_file),
        )
        change.write(self._pointer_file)
        self.tell_of(pointer)
        close(self._pointer_file)

    def _finished(self) -> list[Reign]:
        """The history without a champion whose pointer was never published, because the run was killed."""
        now, history = self.whole(), self.history()
        unpublished = now is not None and history and history[-1].pointer.bundle_hash != now.bundle_hash
        return history[:-1] if unpublished else history

    def _read(self, name: str) -> Any:
        path = self._pointer_file.with_name(name)
        try:
            found: Any = json.loads(read_regular(path, LARGEST_LIST))
        except FileNotFoundError:
            return []
        except (NoFileError, ValueError):
            raise self._damaged(name) from None
        return found

    @contextmanager
    def _understood(self, name: str) -> Iterator[None]:
        """Raises BundleError where a file holds something else than it should."""
        try:
            yield
        except (TypeError, KeyError, ValueError, AttributeError):
            raise self._damaged(name) from None

    def _damaged(self, name: str) -> BundleError:
        path = self._pointer_file.with_name(name)
        return BundleError(
            f"{path} is damaged: restore it from a backup, or delete it and lose the way back."
        )

    def _write(self, name: str, values: object) -> None:
        replace_text(self._pointer_file.with_name(name), as_json(values))


def _is_whole(anchor: Anchor) -> bool:
    """Whether its fields are what they are said to be: whatever stands in a file can be read as JSON."""
    texts = isinstance(anchor.bundle, str) and isinstance(anchor.bundle_hash, str)
    return texts and isinstance(anchor.last_served, float | int) and math.isfinite(anchor.last_served)
