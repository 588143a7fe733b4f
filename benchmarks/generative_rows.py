"""The rows of `benchmarks.generative`: each writes a bundle. A new one is an entry in `ROWS`."""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assets.training.bundling import TrainingData, write_baseline, write_candidate
from assets.training.hooks import Hooks
from assets.training.staging import staged_again
from benchmarks.tomorrow_data import DATA
from models.baselines import NotApplicableError
from models.bundle.code import ROOT
from models.codes.codebooks import KMEANS, RQVAE, book_size
from models.codes.ids import fit, semantic_ids
from models.codes.vocabulary import as_array
from models.content.vectors import ContentSpace
from models.networks import default_config
from models.stages.names import COUNTED, COUNTING, FIRST, NETWORK, RULES, SEED, STAGED
from models.stages.reranking import Rules
from models.training.reports import EpochReport

Write = Callable[[Path, TrainingData, int], None]  # into a folder, of data, with a seed
TIGER_CODE = ("models/codes/codebooks.py", "models/codes/ids.py", "models/codes/trie.py",
              "models/codes/decoder.py", "models/codes/scorer.py", "models/networks/codes.py",
              "models/networks/tiger.py")  # fmt: skip
SASREC_CODE = ("models/networks/sasrec.py", "models/networks/transformer.py", "models/networks/attention.py")

TOWERS_CODE = ("models/networks/two_towers.py",)
STAGES_CODE = tuple(
    f"models/stages/{file}.py" for file in ("features", "item_facts", "learning", "slices", "scorer", "trees")
)


@dataclass(frozen=True)
class Row:
    """What is compared: how its bundle is written, and the files that are there for it alone."""

    title: str
    write: Write
    files: tuple[str, ...]
    random: bool = True  # seeds matter
    only: tuple[str, ...] = ()  # data sets that it can be had for; all where there are none

    def suits(self, data: str) -> bool:
        return not self.only or data in self.only

    @property
    def lines(self) -> int:
        """Lines of code in its files, without comments, docstrings and empty ones."""
        return sum(map(lines_of_code, self.files))


@cache
def lines_of_code(file: str) -> int:
    text = (ROOT / file).read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            left_out.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.split("#")[0].strip()) and number not in left_out for number, line in lines)


def baseline(name: str) -> Row:
    def write(folder: Path, data: TrainingData, seed: int) -> None:
        write_baseline(folder, name, data)

    return Row(name.replace("_", " "), write, (f"models/baselines/{name}.py",), random=False)


def network(
    title: str,
    name: str,
    files: tuple[str, ...],
    ids: Callable[[TrainingData], NDArray[np.int32]] | None = None,
    only: tuple[str, ...] = (),
    **changes: Any,
) -> Row:
    """A network with the settings that follow from the data, but for `changes`."""

    def write(folder: Path, data: TrainingData, seed: int) -> None:
        config = default_config(name, data.split.train, bool(data.items.attributes))
        config = config.with_changes(seed=seed, threads=1, device="cpu", **changes)
        if ids:
            data = replace(data, split=replace(data.split, codes=ids(data)))
            config = config.with_changes(codes=True, content=0.0)
        write_candidate(folder, name, data, config, Hooks(on_epoch=_say))

    return Row(title, write, files, only=only)


def staged(title: str, name: str, files: tuple[str, ...]) -> Row:
    """A network and a ranker of what it retrieves."""

    def write(folder: Path, data: TrainingData, seed: int) -> None:
        network = default_config(STAGED[name], data.split.train, bool(data.items.attributes))
        settings = network.with_changes(seed=seed, threads=1, device="cpu").to_dict()
        parts = {FIRST: STAGED[name], NETWORK: settings, COUNTED: list(COUNTING)}
        staged_again(folder, name, data, {**parts, RULES: Rules().to_dict(), SEED: seed}, Path)

    return Row(title, write, (*files, *STAGES_CODE))


def _say(report: EpochReport) -> None:
    print(f"  epoch {report.epoch}: loss {report.loss:.4f}, validation NDCG@10 {report.ndcg:.4f}", flush=True)


def ready(file: str) -> Callable[[TrainingData], NDArray[np.int32]]:
    """Semantic ids of a JSON file of the shared data."""

    def codes(data: TrainingData) -> NDArray[np.int32]:
        ids = {item: tuple(code) for item, code in json.loads((DATA / file).read_text()).items()}
        found = as_array(data.items.ids, ids)
        assert found is not None
        return found

    return codes


def own(method: str) -> Callable[[TrainingData], NDArray[np.int32]]:
    """Semantic ids of the catalogue, as the asset makes them on a first night."""

    def codes(data: TrainingData) -> NDArray[np.int32]:
        space = ContentSpace.fit(data.items)
        if space is None:
            raise NotApplicableError("the catalogue knows nothing that two items have in common")
        vectors = space.vectors(data.items)
        books = fit(vectors, method, book_size(data.items.n_items))
        found = as_array(data.items.ids, semantic_ids(data.items.ids[1:], books.assign(vectors)[1:], {}))
        assert found is not None
        return found

    return codes


BEAUTY = ("beauty", "beauty-cold")
RQVAE_READY, KMEANS_READY = (f"beauty/semantic_ids_{kind}.json" for kind in ("rqvae", "rqkmeans"))
ROWS: dict[str, Row] = {
    "popularity": baseline("popularity"),
    "content": baseline("content"),
    "graph": baseline("graph"),
    "gru4rec": network("GRU4Rec", "gru4rec", ("models/networks/gru4rec.py",)),
    "sasrec": network("SASRec", "sasrec", SASREC_CODE),
    "hstu": network("HSTU, without times", "hstu", ("models/networks/hstu.py",)),
    "ligr": network("LiGR, eSASRec's blocks", "ligr", ("models/networks/ligr.py",)),
    "sasrec-ranked": staged("SASRec with a ranker", "sasrec_ranked", SASREC_CODE),
    "two-towers": network("two towers", "two_towers", TOWERS_CODE),
    "two-stage": staged("two towers with a ranker", "two_stage", TOWERS_CODE),
    "sasrec-ids": network("SASRec, ids alone", "sasrec", SASREC_CODE, content=0.0),
    "sasrec-codes": network(
        "SASRec on own k-means codes",
        "sasrec",
        (*SASREC_CODE, *TIGER_CODE[:2], TIGER_CODE[5]),
        own(KMEANS),
    ),
    "sasrec-ready-codes": network(
        "SASRec on ready RQ-VAE codes",
        "sasrec",
        (*SASREC_CODE, TIGER_CODE[5]),
        ready(RQVAE_READY),
        BEAUTY,
    ),
    "tiger-ready-rqvae": network(
        "TIGER, ready RQ-VAE codes", "tiger", TIGER_CODE, ready(RQVAE_READY), BEAUTY
    ),
    "tiger-ready-kmeans": network(
        "TIGER, ready k-means codes", "tiger", TIGER_CODE, ready(KMEANS_READY), BEAUTY
    ),
    "tiger": network("TIGER, own k-means codes", "tiger", TIGER_CODE, own(KMEANS)),
    "tiger-rqvae": network(
        "TIGER, own RQ-VAE codes", "tiger", (*TIGER_CODE, "models/codes/rqvae.py"), own(RQVAE)
    ),
}
