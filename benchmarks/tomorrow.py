"""Tomorrow: every model on the next days' plays of dated data, as judged and as served.

    make bench-tomorrow
    python -m benchmarks.tomorrow --only movielens --seeds 1

For each cut the pipeline makes the tables with the plays up to the end of the test. A model *as judged* is
trained on what comes before validation; *as served* its settings are trained once more on all that comes
before the test, as a night does with its winner. Every result is a line of `benchmarks/tomorrow.jsonl`: a run
that was stopped goes on from there, and what stands there is not done again. To do some again, remove their
lines. Baselines come first, then networks seed by seed. Writes docs/benchmarks/tomorrow.md, complete or not.
"""

import argparse
import base64
import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.resources import Home, Training
from assets.sequences.loading import ages, load_sequences, load_split, load_times, split_times
from assets.training.blending import write_blend
from assets.training.bundling import TrainingData, load_training_data, write_baseline, write_candidate
from assets.training.refit import write_refit
from benchmarks import records
from benchmarks.contenders.common import packed
from benchmarks.tomorrow_champion import chosen
from benchmarks.tomorrow_data import Cut, DataSet, named
from benchmarks.tomorrow_steps import STEPPED, STEPS, Step, weights
from benchmarks.tomorrow_untrained import UNTRAINED, untrained
from models.baselines import BASELINES, NotApplicableError
from models.blend.learning import NoBlendError
from models.blend.scorer import BLEND, WEIGHTS, Blend
from models.bundle.bundle import read_manifest
from models.data import Holdout, Sequences, everything, holdout_at
from models.evaluation.cohorts import cohorts, days_since
from models.evaluation.metrics import rank_targets
from models.networks import default_config
from models.opening import open_scorer
from models.scorer import Scorer
from pipelines.apart import run_apart
from pipelines.operator.environment import set_defaults
from pipelines.resources import Settings, home_of

RESULTS = Path(__file__).with_name("tomorrow.jsonl")
SEEDS = 3
ON_DEMAND = ("hstu", "ligr")  # networks beside the candidates, and no members of the blend
JUDGED, SERVED = "judged", "served"
CHAMPION = "champion"  # in the place of a model: which one the gate would have promoted
Result = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Case:
    """One cut of a data set: what may be learned before it, and the plays after it."""

    data: TrainingData  # as judged: trained before validation
    known: TrainingData  # as served: all before the test
    test: Holdout

    @property
    def made(self) -> str:
        """What of the tables the results depend on."""
        return self.data.fingerprint[:16]


def open_case(name: str, data: DataSet, cut: Cut, bench: Path) -> tuple[Case, Result]:
    """The tables of a cut, made unless they are there, and what the page has to know of its test plays."""
    files, home = bench / name, bench / name / cut.test
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        home=home, progress=False, split="temporal", cutoffs=f"{cut.validation},{cut.test}",
        hold_back=cut.until, **data.settings, **data.make(files),
    )  # fmt: skip
    resource = home_of(settings)
    if not resource.lake().has("sequences") and (why := run_apart(settings, until=["sequences"])):
        raise SystemExit(f"The tables of {name} at {cut.test} could not be made: {why}")
    lake = resource.lake()
    judged, test = load_training_data(lake, settings.source), load_split(lake).test
    served = known_before_the_test(resource, judged)
    case = Case(judged, served, test)
    return case, {"made": case.made, "case": about(resource, served, test)}


def known_before_the_test(home: Home, judged: TrainingData) -> TrainingData:
    """All plays before the test to train on, with the name of the data as judged: a refit asks for it."""
    (sequences, _), times = load_sequences(home.lake()), load_times(home.lake())
    cut = split_times(home.lake())[1]
    assert times is not None and cut is not None
    before = times.plays < cut  # [interactions]; a beginning of each user
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    lengths = np.bincount(owner[before], minlength=len(sequences))
    offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
    known = Sequences(sequences.items[before], offsets, sequences.n_items)
    split = everything(known, judged.split.exclude_seen)
    return replace(
        judged,
        split=replace(
            split,
            name=judged.split.name,
            ages=ages(times.plays[before]),
            played_ms=times.in_ms(times.plays[before]),
        ),
        items=replace(judged.items, counts=known.counts()),
        facts=replace(judged.facts, times=times.plays[before]),
    )


def about(home: Home, known: TrainingData, test: Holdout) -> Result:
    """Whose each test play is, by a code that names nobody, and the cohorts by what came before the test."""
    (sequences, users), times = load_sequences(home.lake()), load_times(home.lake())
    cut = split_times(home.lake())[1]
    assert times is not None and cut is not None
    unit = times.units_a_second or 1.0
    days = days_since(cut, times.of(sequences, test), unit)
    trained, played = known.split.train.lengths[test.users], known.items.counts[test.targets]
    codes = [int.from_bytes(hashlib.blake2b(u.encode(), digest_size=3).digest()) for u in users[test.users]]
    return {
        "people": compressed(np.array(codes, dtype=np.int32)),
        "cohorts": [[c.kind, c.label, packed(c.users)] for c in cohorts(trained, played, days)],
        "tied": float(np.mean(times.gaps(sequences, test) == 0)),
        "trained": [len(known.split.train.items), int((known.split.train.lengths > 0).sum())],
        "items": test.histories.n_items,
        "strangers": packed(strangers(home, known)),
    }


def strangers(home: Home, known: TrainingData) -> NDArray[np.int32]:
    """Ranks of the first plays of users with nothing before them, by what was popular before the test."""
    (sequences, _), times = load_sequences(home.lake()), load_times(home.lake())
    cut = split_times(home.lake())[1]
    assert times is not None and cut is not None
    some = np.flatnonzero(sequences.lengths)
    new = some[times.plays[sequences.offsets[some]] >= cut]
    first = holdout_at(sequences, new, np.zeros_like(new), known.split.exclude_seen)
    return rank_targets(_Counts(known.items.counts), first)


class _Counts:
    def __init__(self, counts: NDArray[np.integer]) -> None:
        self._counts = counts.astype(np.float32)

    def score(self, histories: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
        return np.tile(self._counts, (len(histories), 1))


def to_the_tenth(ranks: NDArray[np.integer]) -> str:
    """Ranks as text, all above 10 alike: the page gives NDCG@10, and the file stays small."""
    return packed(np.minimum(ranks, 11))


def compressed(codes: NDArray[np.int32]) -> str:
    return base64.b85encode(zlib.compress(codes.tobytes(), 9)).decode()


def codes_in(text: str) -> NDArray[np.int32]:
    """The inverse of `compressed`."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.int32)


def results() -> list[Result]:
    return records.read(RESULTS)


def keep(result: Mapping[str, Any]) -> None:
    records.append(RESULTS, result)


def key(result: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(result.get(name) for name in ("data", "cut", "made", "model", "seed"))


def fit(model: str, seed: int, case: Case, folder: Path) -> None:
    """The bundle of a model as judged; raises NotApplicableError and NoBlendError."""
    if model in BASELINES:
        write_baseline(folder, model, case.data)
        return
    if model == BLEND:
        networks = _there(Training().candidates, seed, folder.parent)
        if not networks:
            raise NoBlendError("no network is measured")
        best = sorted(networks, key=lambda name: -read_manifest(networks[name]).metrics["ndcg@10"])
        one_by_one = [{name: networks[name]} for name in best]
        write_blend(folder, one_by_one, _there(BASELINES, 0, folder.parent), case.data)
        return
    step = STEPS.get(model, Step(""))
    architecture = step.architecture or model
    described = bool(case.data.items.attributes)
    config = default_config(architecture, case.data.split.train, described).with_changes(
        seed=seed, threads=1, device="cpu", **step.changes
    )
    write_candidate(folder, architecture, case.data, config)


def _there(names: Iterable[str], seed: int, beside: Path) -> dict[str, Path]:
    """The bundles of those that are made already."""
    bundles = {name: beside / f"{name}-{seed}" for name in names}
    return {name: bundle for name, bundle in bundles.items() if bundle.exists()}


def measured(model: str, seed: int, case: Case, bench: Path) -> Result:
    """Ranks of the test plays as judged and as served."""
    started = time.monotonic()
    scorers = stepped(STEPS[model], seed, case, bench) if model in STEPS else None
    before, after = scorers or (judged(model, seed, case, bench), served(model, seed, case, bench))
    found = {
        how: to_the_tenth(rank_targets(one, case.test)) for how, one in ((JUDGED, before), (SERVED, after))
    }
    if model == BLEND:
        found[WEIGHTS] = read_manifest(bench / JUDGED / f"{model}-{seed}").config[WEIGHTS]
    return found | {"seconds": round(time.monotonic() - started, 1)}


def stepped(step: Step, seed: int, case: Case, bench: Path) -> tuple[Scorer, Scorer] | None:
    """The blend of a step, as judged and as served; None where it is a network alone."""
    if not step.networks:
        return None
    made = [(name, seed) for name in step.networks]
    made += [(name, 0) for name in step.baselines if (bench / JUDGED / f"{name}-0").exists()]
    before = {name: judged(name, of, case, bench) for name, of in made}
    learned = weights(before, step.networks, case.data.split.validation)
    after = {name: served(name, of, case, bench) for name, of in made if name in learned}
    return Blend.of(before, learned), Blend.of(after, learned)


def judged(model: str, seed: int, case: Case, bench: Path) -> Scorer:
    """As it is before the gate."""
    if model in UNTRAINED:
        return untrained(model, bench / JUDGED)
    folder = bench / JUDGED / f"{model}-{seed}"
    if not folder.exists():
        _written(folder, lambda made: fit(model, seed, case, made))
    return open_scorer(folder)


def served(model: str, seed: int, case: Case, bench: Path) -> Scorer:
    """The refit; that of a blend has the refits of its members, which are those that stand alone."""
    if model in UNTRAINED:
        return untrained(model, bench / SERVED)
    twin, folder = (bench / kind / f"{model}-{seed}" for kind in (JUDGED, SERVED))
    if model == BLEND:
        learned = read_manifest(twin).config[WEIGHTS]
        own = {name: served(name, 0 if name in BASELINES else seed, case, bench) for name in learned}
        return Blend.of(own, learned)
    if not folder.exists():
        _written(folder, lambda made: write_refit(made, twin, case.known))
    return open_scorer(folder)


def _written(folder: Path, write: Any) -> None:
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    write(aside)
    aside.rename(folder)


def models_of(seeds: int, data: str) -> Iterator[tuple[str, int]]:
    """Every baseline, then every network with each seed; a blend is made of the candidates that are there."""
    yield from ((name, 0) for name in (*BASELINES, *UNTRAINED))
    yield from ((name, seed) for seed in range(seeds) for name in (*Training().candidates, BLEND, *ON_DEMAND))
    steps = [name for name in STEPS if data == STEPPED and name not in Training().candidates]
    yield from ((name, seed) for seed in range(seeds) for name in steps)


def run(name: str, data: DataSet, cut: Cut, bench: Path, only: str, seeds: int) -> None:
    """All that is missing of one cut."""
    case, told = open_case(name, data, cut, bench)
    line = {"data": name, "cut": cut.name, "made": case.made}
    done = {key(result) for result in results()}
    if key(line) not in done:
        keep(line | told)
    for model, seed in models_of(seeds, name):
        asked = line | {"model": model, "seed": seed}
        if key(asked) in done or only not in model:
            continue
        print(f"{name}, {cut.name}: {model}, seed {seed}", flush=True)
        try:
            keep(asked | measured(model, seed, case, bench / name / cut.test / "models"))
        except (NotApplicableError, NoBlendError) as why:
            keep(asked | {"left out": str(why)})
    for seed in range(seeds if only in CHAMPION else 0):
        asked = line | {"model": CHAMPION, "seed": seed}
        if key(asked) not in done:
            keep(asked | champion(seed, case, bench / name / cut.test / "models" / JUDGED))


def champion(seed: int, case: Case, folder: Path) -> Result:
    """Which of the models of one seed a night would have promoted before the test, and why."""
    models = [*((name, 0) for name in BASELINES), *((name, seed) for name in (*Training().candidates, BLEND))]
    folders = {name: folder / f"{name}-{of}" for name, of in models}
    return chosen({name: made for name, made in folders.items() if made.exists()}, case.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="what is in the name of the data set")
    parser.add_argument("--model", default="", help="what is in the name of the model")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each network")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    options = parser.parse_args()
    set_defaults()
    bench = Path(os.environ["NEXTPLAY_HOME"]) / "bench" / "tomorrow"
    if not options.page:
        for name, data in named(options.only).items():
            for cut in data.cuts:
                run(name, data, cut, bench, options.model, options.seeds)
    from benchmarks import tomorrow_page

    tomorrow_page.write(results())


if __name__ == "__main__":
    main()
