"""The bundle: the folder that training hands on and that serving opens.

A bundle holds `manifest.json`, `items.json` (the item vocabulary), `golden.json` (requests with their known
answers) and what its scorer needs: `model.onnx` with `weights.safetensors` for a network, or the latter alone
for a baseline. Nothing in it is pickled and nothing in it depends on the clock or on a path, so equal inputs
give equal bytes. This module needs NumPy and the standard library alone.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.bundle.attributes import Attribute, Attributes
from models.bundle.formats import Format
from models.mistakes import UserError
from models.release import RELEASE

TRAINING_PART, EVERYTHING = "training part", "everything"  # what a bundle was trained on
FORMATS = Format(2, oldest=2)  # 2: the network gives a state, and the item table may hold attributes
PADDING = 0

MANIFEST_FILE = "manifest.json"
ITEMS_FILE = "items.json"
GOLDEN_FILE = "golden.json"
ONNX_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"
ITEM_EMBEDDINGS = "item_embeddings.weight"  # in a network's weights, [n_items + 1, width]
ITEM_BIAS = "item_bias"  # [n_items + 1]


class BundleError(UserError):
    """A bundle cannot be used; the message says which one and why."""


class OtherFormatError(BundleError):
    """It may be whole, but another release wrote it; the message says of which format it is."""


@dataclass(frozen=True)
class Manifest:
    """What a bundle is and where it comes from. Holds no time: equal inputs give an equal manifest."""

    architecture: str
    n_items: int
    max_length: int  # items of a history that the scorer looks at, counted from its newest
    vocabulary_hash: str
    data_fingerprint: str
    code_version: str
    source: str
    split: str
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)  # on validation
    export_error: float = 0.0  # largest difference of a logit, exported against trained
    exclude_seen: bool = True  # it was trained and judged for items that are not in the history
    trained_on: str = TRAINING_PART
    trained_until: str = ""  # UTC day of the newest play of a refit; empty where that is not known
    twin: str = ""  # of a refit: the hash of the judged bundle, whose settings and metrics these are
    started_from: str = ""  # hash of the bundle whose weights its training started from; empty: from none
    warm_nights: int = 0  # trainings in a row, to this one, that started from weights of the one before
    release: str = RELEASE  # that wrote it; empty of one from before there were releases
    format: int = FORMATS.current


@dataclass(frozen=True)
class ItemTable:
    """The item vocabulary. Row `i` of each column describes item index `i`; row 0 is padding.

    `ids` and `titles` are text; `counts` (int64) says how often an item occurs in the training part;
    `attributes` are what else the catalogue knows, by name. `new` are the indexes of releases that nobody has
    played and that are offered all the same.
    """

    ids: list[str]
    titles: list[str]
    counts: NDArray[np.int64]
    attributes: Attributes = field(default_factory=dict)
    new: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        lengths = {len(attribute.values) for attribute in self.attributes.values()}
        if not {len(self.ids), len(self.titles), len(self.counts)} | lengths == {len(self.ids)}:
            raise BundleError("The columns of the item table differ in length.")
        if len(set(self.ids)) != len(self.ids):
            raise BundleError("The item table names an item twice.")

    @property
    def n_items(self) -> int:
        """Real items, padding not counted."""
        return len(self.ids) - 1

    def vocabulary_hash(self) -> str:
        """SHA-256 over the ids in index order."""
        return hashlib.sha256("\0".join(self.ids).encode()).hexdigest()

    def index(self) -> dict[str, int]:
        """Item id -> item index, padding left out."""
        return {item_id: i for i, item_id in enumerate(self.ids) if i != PADDING}

    def to_json(self) -> str:
        attributes = {name: asdict(attribute) for name, attribute in self.attributes.items()}
        columns = {"ids": self.ids, "titles": self.titles, "counts": self.counts.tolist()}
        new = {"new": self.new} if self.new else {}
        return _dumps(columns | {"attributes": attributes} | new)

    @classmethod
    def from_json(cls, text: str) -> Self:
        columns = json.loads(text)
        attributes = {name: Attribute(**of) for name, of in columns["attributes"].items()}
        counts = np.array(columns["counts"], dtype=np.int64)
        return cls(columns["ids"], columns["titles"], counts, attributes, columns.get("new", []))


@dataclass(frozen=True)
class GoldenRequest:
    """A history (item indexes, oldest first) and the best items that the trained model gave for it."""

    history: list[int]
    items: list[int]
    scores: list[float]


def write_bundle(folder: Path, manifest: Manifest, items: ItemTable, golden: Sequence[GoldenRequest]) -> None:
    """Write the parts that every bundle has; the scorer's own files are written where it was trained."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ITEMS_FILE).write_text(items.to_json(), encoding="utf-8")
    (folder / GOLDEN_FILE).write_text(_dumps([asdict(g) for g in golden]), encoding="utf-8")
    (folder / MANIFEST_FILE).write_text(_dumps(asdict(manifest), indent=2), encoding="utf-8")


def name_release(folder: Path, release: str) -> None:
    """Name a release as the one that wrote a bundle, and those within it."""
    for path in folder.rglob(MANIFEST_FILE):
        values = asdict(replace(read_manifest(path.parent), release=release))
        path.write_text(_dumps(values, indent=2), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Raises BundleError where the folder is no bundle or is one of another format."""
    try:
        values = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{folder} is not a bundle: its {MANIFEST_FILE} cannot be read ({error})."
        ) from error
    if not isinstance(values, dict) or not isinstance(values.get("format"), int):
        raise BundleError(f"{folder} is not a bundle: its {MANIFEST_FILE} says no format.")
    if problem := FORMATS.problem(f"The bundle {folder}", values["format"]):
        raise OtherFormatError(problem)
    known = {f.name for f in fields(Manifest)}
    try:
        told: dict[str, Any] = {"release": "", **values}
        return Manifest(**{name: value for name, value in told.items() if name in known})
    except TypeError as error:
        raise BundleError(f"{folder} has an incomplete manifest: {error}.") from error


def read_items(folder: Path) -> ItemTable:
    """Raises BundleError where the item table cannot be read or is not the manifest's."""
    try:
        items = ItemTable.from_json((folder / ITEMS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} has no readable {ITEMS_FILE} ({error}).") from error
    if items.vocabulary_hash() != read_manifest(folder).vocabulary_hash:
        raise BundleError(f"The item table of {folder} is not the one that its manifest names.")
    return items


def read_golden(folder: Path) -> list[GoldenRequest]:
    """The golden requests; raises BundleError where they cannot be read."""
    try:
        return [GoldenRequest(**g) for g in json.loads((folder / GOLDEN_FILE).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(f"{folder} has no readable {GOLDEN_FILE} ({error}).") from error


def bundle_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of all files in the folder."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def _dumps(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, sort_keys=True, allow_nan=False)
