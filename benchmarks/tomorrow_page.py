"""docs/benchmarks/tomorrow.md of what `benchmarks.tomorrow` has measured so far."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.common import unpacked
from benchmarks.tomorrow import CHAMPION, JUDGED, SEEDS, SERVED, Result, codes_in
from benchmarks.tomorrow_data import DATA_SETS, DataSet
from benchmarks.tomorrow_steps import STEPS
from benchmarks.tomorrow_untrained import NEWEST_TEXT, TEXT, UNTRAINED
from models.baselines import BASELINES
from models.blend.scorer import BLEND, WEIGHTS, member_names
from models.evaluation.metrics import per_user
from models.evaluation.stats import SEED, bootstrap_interval

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "tomorrow.md"
NOTES = Path(__file__).with_name("tomorrow_notes.md")  # what was measured by hand
USED = ("torch", "numpy", "onnxruntime", "duckdb")
REFERENCE = "recent_popularity"
BEATEN = (REFERENCE, "graph")  # what a champion has to be above
GROUPS = (
    ("item", "known from training", "warm items"),
    ("item", "new", "cold items"),
    ("user", "new", "new users"),
)
DASH = "–"
COUNTED = (*BASELINES, *UNTRAINED)  # these have no seeds
COLD = ("new_releases", "content", BLEND, "sasrec-new")  # beside the rows without training, on new games
WITHOUT_NEW = (REFERENCE, "sasrec")  # these give no place to new games
ITS_NETWORK = "its network"  # which a blend is made of
MADE_FOR_STEPS = STEPS.keys() - {"sasrec"}  # these stand in a table of their own


@dataclass(frozen=True, eq=False)
class Plays:
    """The test plays of all cuts that a model has results of, with a value each, and whose each is."""

    values: NDArray[np.float64]
    people: NDArray[np.int32]

    def __str__(self) -> str:
        if not len(self.values):
            return DASH
        low, high = self.interval()
        return f"{self.values.mean():.4f} ({low:.4f} to {high:.4f})"

    def interval(self) -> tuple[float, float]:
        if len(np.unique(self.people)) < 2:
            return float("nan"), float("nan")
        return bootstrap_interval(self.values, seed=SEED, people=self.people)


def write(results: Sequence[Result]) -> None:
    """Write the page."""
    PAGE.write_text("\n".join([*_head(), *_body(results), *_foot()]) + "\n", encoding="utf-8")
    print(f"{PAGE} is written.")


def _head() -> Iterator[str]:
    yield "# Tomorrow"
    yield (
        "NDCG@10 on every play after a cut in time, each given what its user had played before it, over the "
        "full catalogue without what the user had; users are drawn with all their plays in the intervals of "
        "95 %. *As judged* a model has learned from what comes before its validation, *as served* the same "
        "settings have learned once more from all that comes before the test, as a night does with its "
        "winner. Values are means over the plays of all cuts; networks are means over the seeds, of which "
        f"there are {SEEDS} when the run is complete. Warm and cold items, and new users, are told apart by "
        "what comes before the test; a model that knows item numbers alone misses every cold one, and these "
        "count in the first columns. A user's very first play is shown popularity, which stands apart."
    )


def _body(results: Sequence[Result]) -> Iterator[str]:
    for name, data in DATA_SETS.items():
        cases = {r["cut"]: r["case"] for r in results if r["data"] == name and "case" in r}
        yield from ["", f"## {data.title}", data.about]
        if not cases:
            yield "\nNot measured yet."
            continue
        yield from ["", *_cases(data, cases), "", *_table(name, results, cases)]
        yield from _cold([r for r in results if r["data"] == name and JUDGED in r], cases)
        yield from _steps([r for r in results if r["data"] == name and JUDGED in r], cases)
        yield from _champions([r for r in results if r["data"] == name], cases)


def _cases(data: DataSet, cases: Mapping[str, Any]) -> Iterator[str]:
    columns = (
        "test", "plays before it", "users", "items", "test plays", "users", "of new items", "of new users",
        "tied", "first plays: popularity",
    )  # fmt: skip
    yield f"| {' | '.join(columns)} |"
    yield "|---|" + "---:|" * (len(columns) - 1)
    for cut in (cut.name for cut in data.cuts if cut.name in cases):
        case = cases[cut]
        people, first = codes_in(case["people"]), per_user("ndcg@10", unpacked(case["strangers"]))
        new = {kind: _mask(case, kind, "new").mean() for kind in ("item", "user")}
        strangers = f"{len(first):,}: {first.mean():.4f}" if len(first) else DASH
        yield (
            f"| {cut} | {case['trained'][0]:,} | {case['trained'][1]:,} | {case['items']:,} "
            f"| {len(people):,} | {len(np.unique(people)):,} | {new['item']:.1%} | {new['user']:.1%} "
            f"| {case['tied']:.1%} | {strangers} |"
        )
    yield (
        "\n*Tied*: test plays at the very time of the play before them. Their order is that of the file, and "
        "the play before stands in their history."
    )


def _table(name: str, results: Sequence[Result], cases: Mapping[str, Any]) -> Iterator[str]:
    made = [r for r in results if r["data"] == name and JUDGED in r]
    models = list(dict.fromkeys(r["model"] for r in made if r["model"] not in MADE_FOR_STEPS))
    values = {(m, how): _values(m, how, made, cases) for m in models for how in (JUDGED, SERVED)}
    everywhere = [m for m in models if values[m, SERVED].keys() == cases.keys()]
    partly = [m for m in models if m not in everywhere]
    yield f"| model | seeds | as judged | as served | served minus {REFERENCE} | {_groups(', served')} |"
    yield "|---|---:|---:|---:|---:|" + "---:|" * len(GROUPS)
    means = {m: np.concatenate(list(values[m, SERVED].values())).mean() for m in everywhere}
    for model in sorted(everywhere, key=lambda m: -means[m]):
        served, judged = (_plays(values[model, how], cases) for how in (SERVED, JUDGED))
        seeds = DASH if model in COUNTED else str(min(_seeds(model, made, cut) for cut in cases))
        groups = [str(_plays(values[model, SERVED], cases, kind, label)) for kind, label, _ in GROUPS]
        cells = [model, seeds, str(judged), str(served), _against(model, values, cases), *groups]
        yield f"| {' | '.join(cells)} |"
    yield from _partly(partly, values, cases)
    yield from _left_out([r for r in results if r["data"] == name and "left out" in r], models)


def _left_out(left: Sequence[Result], models: Sequence[str]) -> Iterator[str]:
    """What could not be made and why; of models that could elsewhere also after which cut."""
    told = {f"{r['model']} ({_place(r) if r['model'] in models else ''}{r['left out']})": None for r in left}
    if told:
        yield f"\nLeft out: {'; '.join(told)}."


def _place(result: Result) -> str:
    return f"{result['cut']}, seed {result['seed']}: "


def _partly(
    models: Sequence[str], values: Mapping[tuple[str, str], Any], cases: Mapping[str, Any]
) -> Iterator[str]:
    """Models that are not measured on all cuts, beside what has to be beaten on those where they are."""
    if not models:
        return
    yield "\nNot on all cuts yet, and compared on those where they are:\n"
    yield f"| model | test | as judged | as served | served minus {' | served minus '.join(BEATEN)} |"
    yield "|---|---|---:|---:|" + "---:|" * len(BEATEN)
    for model in models:
        own = values[model, SERVED]
        figures = [str(_plays(values[model, how], cases)) for how in (JUDGED, SERVED)]
        gains = [_gain(own, values.get((other, SERVED), {}), cases) for other in BEATEN]
        yield f"| {' | '.join([model, ', '.join(own), *figures, *gains])} |"


def _gain(own: Mapping[str, Any], other: Mapping[str, Any], cases: Mapping[str, Any]) -> str:
    """The difference on the cuts of one; nothing where the other lacks some of them."""
    if not own.keys() <= other.keys():
        return DASH
    return difference(_plays({cut: own[cut] - other[cut] for cut in own}, cases))


def _values(model: str, how: str, made: Sequence[Result], cases: Mapping[str, Any]) -> dict[str, Any]:
    """NDCG@10 of each play of each cut, mean over the seeds."""
    found = {}
    for cut in cases:
        ranks = [unpacked(r[how]) for r in made if (r["model"], r["cut"]) == (model, cut)]
        if ranks:
            found[cut] = np.mean([per_user("ndcg@10", seed) for seed in ranks], axis=0)
    return found


def _plays(values: Mapping[str, Any], cases: Mapping[str, Any], kind: str = "", label: str = "") -> Plays:
    """Of all cuts, or of one of their cohorts."""
    kept = {c: _mask(cases[c], kind, label) if kind else np.ones(len(v), bool) for c, v in values.items()}
    people = [codes_in(cases[c]["people"])[kept[c]] for c in values]
    return Plays(np.concatenate([v[kept[c]] for c, v in values.items()]), np.concatenate(people))


def _against(model: str, values: Mapping[tuple[str, str], Any], cases: Mapping[str, Any]) -> str:
    other = values.get((REFERENCE, SERVED), {})
    if model == REFERENCE or other.keys() != cases.keys():
        return DASH
    own = values[model, SERVED]
    plays = _plays({cut: own[cut] - other[cut] for cut in own}, cases)
    return difference(plays)


def difference(plays: Plays) -> str:
    """The mean of differences with its interval, with signs."""
    low, high = plays.interval()
    return f"{plays.values.mean():+.4f} ({low:+.4f} to {high:+.4f})"


def _cold(made: Sequence[Result], cases: Mapping[str, Any]) -> Iterator[str]:
    """What new games get beside rows without training, and what known ones lose for it."""
    values = {m: _values(m, SERVED, made, cases) for m in (*WITHOUT_NEW, *COLD, *UNTRAINED)}
    there = [m for m in (*COLD, *UNTRAINED) if values[m].keys() == cases.keys()]
    if not set(UNTRAINED) <= set(there) or not any(
        _mask(case, "item", "new").any() for case in cases.values()
    ):
        return

    def minus(model: str, other: str, label: str) -> str:
        own = {cut: values[model][cut] - values[other][cut] for cut in cases}
        return DASH if model == other else difference(_plays(own, cases, "item", label))

    yield (
        "\n**Games that nobody has played**, as served. `text` is likeness to the history alone, "
        "`newest_text` that over the days since the release, without anything learned; it and `new_releases` "
        "put all new games first, so they say in which order, and not whether.\n"
    )
    known = [name for name in WITHOUT_NEW if values[name].keys() == cases.keys()]
    values[ITS_NETWORK] = _leading(made, cases) if BLEND in there else {}
    led = values[ITS_NETWORK].keys() == cases.keys()
    cold = [f"minus {other}, cold items" for other in (NEWEST_TEXT, TEXT)]
    warm = [f"minus {other}, warm items" for other in [*known, *([ITS_NETWORK] if led else [])]]
    yield f"| {' | '.join(['model', *cold, *warm])} |"
    yield "|---|" + "---:|" * len(cold + warm)
    for model in there:
        gained = [minus(model, other, "new") for other in (NEWEST_TEXT, TEXT)]
        lost = [minus(model, other, "known from training") for other in known]
        if led:
            lost.append(minus(model, ITS_NETWORK, "known from training") if model == BLEND else DASH)
        words = STEPS[model].words if model in STEPS else model
        yield f"| {' | '.join([words, *gained, *lost])} |"


def _leading(made: Sequence[Result], cases: Mapping[str, Any]) -> dict[str, Any]:
    """NDCG@10 of each play with the network that leads the blend of each seed, mean over the seeds."""
    blends = [r for r in made if r["model"] == BLEND]
    if not all(WEIGHTS in r for r in blends):
        return {}
    leads = {(r["cut"], r["seed"], member_names(r)[0][0]) for r in blends}
    own = [r for r in made if (r["cut"], r["seed"], r["model"]) in leads]
    return _values(ITS_NETWORK, SERVED, [r | {"model": ITS_NETWORK} for r in own], cases)


def _steps(made: Sequence[Result], cases: Mapping[str, Any]) -> Iterator[str]:
    """What each addition is worth, those that are measured on all cuts."""
    values = {(m, how): _values(m, how, made, cases) for m in STEPS for how in (JUDGED, SERVED)}
    there = [m for m in STEPS if values[m, SERVED].keys() == cases.keys()]
    first = next(iter(STEPS))
    if first not in there or len(there) < 2:
        return
    yield (
        "\n**Step by step**: what each addition is worth to the network. Blends here are made whether or not "
        "they are surely better on validation, which a night asks for.\n"
    )
    gains = "served minus the first | the same, warm items"
    yield f"| step | seeds | as judged | as served | {gains} | {_groups(', served')} |"
    yield "|---|---:|---:|---:|---:|---:|" + "---:|" * len(GROUPS)
    base = values[first, SERVED]
    for model in there:
        served, judged = (values[model, how] for how in (SERVED, JUDGED))
        gain = {cut: served[cut] - base[cut] for cut in served}
        gained = [_plays(gain, cases), _plays(gain, cases, "item", "known from training")]
        beside = [difference(plays) if model != first else DASH for plays in gained]
        seeds = str(min(_seeds(model, made, cut) for cut in cases))
        groups = [str(_plays(served, cases, kind, label)) for kind, label, _ in GROUPS]
        own = [STEPS[model].words, seeds, str(_plays(judged, cases)), str(_plays(served, cases))]
        yield f"| {' | '.join([*own, *beside, *groups])} |"


def _groups(of: str) -> str:
    return " | ".join(f"{words}{of}" for *_, words in GROUPS)


def _champions(results: Sequence[Result], cases: Mapping[str, Any]) -> Iterator[str]:
    """What would have served after each cut, beside what has to be beaten."""
    chosen = {cut: [r for r in results if r["cut"] == cut and r.get("model") == CHAMPION] for cut in cases}
    chosen = {cut: rows for cut, rows in chosen.items() if rows}
    if not chosen:
        return
    yield (
        "\n**The champion**: the gate as it ships decides on the validation plays of each cut, among the "
        "candidates of one seed that stand above (SASRec, GRU4Rec, the blend, as far as they are measured) "
        "and the baselines, without a champion before; what it chooses is refitted and served.\n"
    )
    yield f"| test | champion | as served | minus {' | minus '.join(BEATEN)} |"
    yield "|---|---|---:|" + "---:|" * len(BEATEN)
    own = {
        cut: np.mean([_served(r["champion"], r, results) for r in rows], axis=0)
        for cut, rows in chosen.items()
    }
    other = {name: {cut: _served(name, chosen[cut][0], results) for cut in chosen} for name in BEATEN}
    together = [("all", list(chosen))] if len(chosen) == len(cases) else []
    for label, cuts in [*((cut, [cut]) for cut in chosen), *together]:
        names = dict.fromkeys(r["champion"] for cut in cuts for r in chosen[cut])
        gains = [
            difference(_plays({cut: own[cut] - other[name][cut] for cut in cuts}, cases)) for name in BEATEN
        ]
        values = _plays({cut: own[cut] for cut in cuts}, cases)
        yield f"| {label} | {', '.join(names)} | {values} | {' | '.join(gains)} |"


def _served(model: str, of: Result, results: Sequence[Result]) -> NDArray[np.float64]:
    """NDCG@10 of each play of one cut; of a network or a blend, with the seed that is asked for."""
    seed = 0 if model in BASELINES else of["seed"]
    found = next(r for r in results if (r.get("model"), r["cut"], r.get("seed")) == (model, of["cut"], seed))
    return per_user("ndcg@10", unpacked(found[SERVED]))


def _mask(case: Mapping[str, Any], kind: str, label: str) -> NDArray[np.bool_]:
    found = (mask for k, name, mask in case["cohorts"] if (k, name) == (kind, label))
    text = next(found, None)
    return np.zeros(len(codes_in(case["people"])), bool) if text is None else unpacked(text).astype(bool)


def _seeds(model: str, made: Sequence[Result], cut: str) -> int:
    return len({r["seed"] for r in made if (r["model"], r["cut"]) == (model, cut)})


def _foot() -> Iterator[str]:
    yield ""
    yield from NOTES.read_text(encoding="utf-8").splitlines()
    yield ""
    yield "- Command: `make bench-tomorrow`, which goes on where it was stopped"
    yield f"- Machine: {platform.machine()}, {os.cpu_count()} cores, one thread a training"
    packages = ", ".join(f"{package} {version(package)}" for package in USED)
    yield f"- Versions: Python {platform.python_version()}, {packages}"
