"""What retention keeps, decided from names alone: a pure function from what is there to what may go."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SAFE_CHAMPIONS = 3  # the last ones, that no setting gives up
REPRODUCED = 2  # a refit is made again from its twin, and no lock is held meanwhile
VERSIONS_OF_A_TABLE = 2  # a reader who has just looked up a table finds it after the next night, too

Version = tuple[str, str]  # table and fingerprint


@dataclass(frozen=True)
class Bundle:
    """A bundle that is there. `number` is its registered version, None where it has none yet.

    A refit counts as of an architecture of its own.
    """

    name: str
    architecture: str
    digest: str
    number: int | None
    inputs: frozenset[Version] = frozenset()
    started_from: str = ""  # digest of the bundle whose weights it started from


@dataclass(frozen=True)
class Crowned:
    """A champion, now or once: its bundle and its twin, baselines, Bento, the tables of its night."""

    digest: str
    bundle: str
    baselines: frozenset[str] = frozenset()
    bento: str = ""
    tables: frozenset[Version] = frozenset()
    twin: str = ""  # the bundle that was judged in place of a refit


@dataclass(frozen=True)
class Inventory:
    """All that is there; lists are oldest first. `champions` are those ever set, `now` and `past` too."""

    bundles: Sequence[Bundle] = ()
    current_bundles: frozenset[str] = frozenset()
    champions: Sequence[Crowned] = ()
    now: str | None = None  # the champion's digest
    past: Sequence[str] = ()  # digests to go back to
    alias: str | None = None  # the digest of the version that carries the alias
    registered: Mapping[str, str] = field(default_factory=dict)  # version -> digest
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)  # table -> fingerprints
    published: Mapping[str, str] = field(default_factory=dict)  # table -> fingerprint
    checkpoints: Sequence[str] = ()  # named like the bundle that they lead to
    bentos: Sequence[str] = ()
    answered_bento: str = ""
    anchor: str = ""  # the bundle that candidates are compared with beside the champion
    reports: Sequence[str] = ()
    current_report: str = ""
    runs: Mapping[str, Sequence[str]] = field(default_factory=dict)  # run -> versions registered from it
    reproduced: Sequence[str] = ()  # versions that were made again
    ranks: Sequence[str] = ()  # files of searches for settings, <architecture>-<study>-<trial>.npy
    as_served: Sequence[str] = ()  # homes below the home
    records: Sequence[str] = ()  # runs of Dagster that are old and that nothing reads


@dataclass(frozen=True)
class Removals:
    """What may go, each by its name."""

    bundles: list[str]
    registered: list[str]
    runs: list[str]
    tables: list[Version]
    checkpoints: list[str]
    bentos: list[str]
    reports: list[str]
    reproduced: list[str]
    ranks: list[str]
    as_served: list[str]
    records: list[str]

    def __len__(self) -> int:
        return sum(len(names) for names in vars(self).values())


def removals(there: Inventory, candidates: int, champions: int | None) -> Removals:
    """All but the last `candidates` of each architecture, the last `champions` (None: all), and their inputs.

    Never goes what the pointer, the alias, the anchor, the way back of `SAFE_CHAMPIONS`, or the newest tables
    need, nor what a current bundle started from: by it the next run knows that there is nothing to train.
    """
    crowned = _kept_champions(there, champions)
    names = {name for c in crowned for name in (c.bundle, c.twin)}.union(
        there.current_bundles, *(c.baselines for c in crowned)
    )
    names |= _last_candidates(there.bundles, candidates)
    names |= {b.name for b in there.bundles if b.digest == there.alias or b.name == there.anchor}
    starts = {b.started_from for b in there.bundles if b.name in there.current_bundles}
    names |= {b.name for b in there.bundles if b.digest in starts}
    kept = [bundle for bundle in there.bundles if bundle.name in names]
    digests = {b.digest for b in kept} | {c.digest for c in crowned} | {there.alias}
    versions = [version for version, digest in there.registered.items() if digest not in digests]
    inputs = set[Version]().union(*(c.tables for c in crowned), *(b.inputs for b in kept))
    finished = {bundle.name for bundle in there.bundles}
    bentos = {c.bento for c in crowned} | {there.answered_bento}
    return Removals(
        bundles=sorted(finished - names),
        registered=versions,
        runs=_runs(there, set(versions), candidates),
        tables=[v for table in there.tables for v in _versions(there, table) if v not in inputs],
        checkpoints=[
            *(name for name in there.checkpoints if name in finished),
            *[name for name in there.checkpoints if name not in finished][:-candidates],
        ],
        bentos=[bento for bento in there.bentos[:-1] if bento not in bentos],
        reports=[report for report in there.reports[:-candidates] if report != there.current_report],
        reproduced=list(there.reproduced[: -max(candidates, REPRODUCED)]),
        ranks=_ranks(there, candidates),
        as_served=list(there.as_served[:-candidates]),
        records=list(there.records),
    )


def _kept_champions(there: Inventory, champions: int | None) -> list[Crowned]:
    newest_first = list(dict.fromkeys(c.digest for c in reversed(there.champions)))
    last = newest_first[: None if champions is None else max(champions, SAFE_CHAMPIONS)]
    needed = {there.now, there.alias, *there.past[-SAFE_CHAMPIONS:]} | set(last)
    return [c for c in there.champions if c.digest in needed]


def _last_candidates(bundles: Iterable[Bundle], candidates: int) -> set[str]:
    """One that is not registered yet counts as the newest: the run that made it has been killed."""
    of: defaultdict[str, list[Bundle]] = defaultdict(list)
    for bundle in bundles:
        of[bundle.architecture].append(bundle)
    newest = (sorted(some, key=lambda b: (b.number is None, b.number or 0)) for some in of.values())
    return {bundle.name for some in newest for bundle in some[-candidates:]}


def _versions(there: Inventory, table: str) -> list[Version]:
    """The versions of a table but the current and the newest ones."""
    older = there.tables[table][:-VERSIONS_OF_A_TABLE]
    return [(table, made_from) for made_from in older if made_from != there.published.get(table)]


def _runs(there: Inventory, gone: set[str], candidates: int) -> list[str]:
    """Runs all of whose versions go, and runs that registered nothing, the newest aside."""
    without = [run for run, versions in there.runs.items() if not versions][:-candidates]
    emptied = [run for run, versions in there.runs.items() if versions and gone.issuperset(versions)]
    return [*without, *emptied]


def _ranks(there: Inventory, candidates: int) -> list[str]:
    """Those of searches before the last ones of each architecture: on data of before, no search goes on."""
    studies: defaultdict[str, list[str]] = defaultdict(list)
    for study in dict.fromkeys(_study(file) for file in reversed(there.ranks)):
        studies[study.rpartition("-")[0]].append(study)  # newest first
    kept = {study for some in studies.values() for study in some[:candidates]}
    return [file for file in there.ranks if _study(file) not in kept]


def _study(file: str) -> str:
    return file.rpartition("-")[0]
