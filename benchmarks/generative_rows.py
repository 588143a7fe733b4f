"""The rows of `benchmarks.generative`: each writes a bundle. A new one is an entry in `ROWS`."""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from assets.training.bundling import TrainingData, write_baseline, write_candidate
from assets.training.hooks import Hooks
from assets.training.staging import staged_again
from benchmarks.generative_timed import open_timed, write_timed
from benchmarks.tomorrow_data import DATA
from models.baselines import NotApplicableError
from models.bundle.code import ROOT
from models.codes.codebooks import KMEANS, RQVAE, book_size
from models.codes.ids import fit, semantic_ids
from models.codes.vocabulary import as_array
from models.config import OWN_NORM, TrainConfig
from models.content.vectors import ContentSpace
from models.networks import default_config
from models.networks.codes import CodedItems
from models.opening import open_scorer
from models.scorer import Scorer
from models.stages.names import COUNTED, COUNTING, FIRST, NETWORK, RULES, SEED, STAGED
from models.stages.reranking import Rules
from models.training.reports import EpochReport

Write = Callable[[Path, TrainingData, int], None]  # into a folder, of data, with a seed
Open = Callable[[Path, TrainingData], Scorer]  # what was written there
APART = "apart.json"  # beside a bundle: numbers that were learned and are in none of its files
TIGER_CODE = ("models/codes/codebooks.py", "models/codes/ids.py", "models/codes/trie.py",
              "models/codes/decoder.py", "models/codes/scorer.py", "models/networks/codes.py",
              "models/networks/tiger.py")  # fmt: skip
SASREC_CODE = ("models/networks/sasrec.py", "models/networks/transformer.py", "models/networks/attention.py")
CODED = (*SASREC_CODE, "models/networks/codes.py", *TIGER_CODE[:2])
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
    open: Open = field(default=lambda folder, data: open_scorer(folder))
    served: bool = True  # so that a request has a cost

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
            (folder / APART).write_text(json.dumps(in_tables(data, config)))
        write_candidate(folder, name, data, config, Hooks(on_epoch=_say))

    return Row(title, write, files, only=only)


def in_tables(data: TrainingData, config: TrainConfig) -> int:
    """Numbers in the tables of codes, which are no part of a bundle: items have the sums of them."""
    assert data.split.codes is not None
    codes = torch.from_numpy(data.split.codes.astype(np.int64))
    tables = CodedItems(codes, config.network.width, config.code_prefixes).parameters()
    return sum(table.numel() for table in tables)


def timed(title: str, name: str, files: tuple[str, ...], only: tuple[str, ...], buckets: int) -> Row:
    """A network with the bias of time that its paper has."""

    def write(folder: Path, data: TrainingData, seed: int) -> None:
        config = default_config(name, data.split.train, bool(data.items.attributes))
        changes = {"seed": seed, "threads": 1, "device": "cpu", "time_buckets": buckets}
        write_timed(folder, name, data, config.with_changes(**changes))

    return Row(title, write, files, only=only, open=open_timed, served=False)


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
TUNED = ("beauty", "steam-dated")  # where the baseline's tuning is taken apart
DATED = ("steam-dated", "movielens")
DESCRIBED = (*BEAUTY, "steam-dated")  # where SASRec takes content by default
OWN = ("steam", *DATED)  # beauty has ready codes, Amazon's games no catalogue
PAPER: dict[str, Any] = {  # SASRec's on sparse data; batches of 128 users are of so many plays there
    "width": 50,
    "heads": 1,
    "dropout": 0.5,
    "max_length": 50,
    "content": 0.0,
    "loss": "bce",
    "batch_positions": 1024,
    "embedding_learning_rate": 1e-3,
    "weight_decay": 0.0,
    "max_gradient_norm": 1e9,
    "schedule": "constant",
    "warmup_steps": 0,
    "epochs": 200,
    "patience": 20,
    "validation_users": 2_000,
}
LARGE: dict[str, Any] = {"width": 128, "feed_factor": 4, "validation_users": 2_000}
RQVAE_READY, KMEANS_READY = (f"beauty/semantic_ids_{kind}.json" for kind in ("rqvae", "rqkmeans"))
ROWS: dict[str, Row] = {
    "popularity": baseline("popularity"),
    "content": baseline("content"),
    "graph": baseline("graph"),
    "gru4rec": network("GRU4Rec", "gru4rec", ("models/networks/gru4rec.py",)),
    "sasrec": network("SASRec", "sasrec", SASREC_CODE),
    "hstu": network("HSTU, without times", "hstu", ("models/networks/hstu.py",)),
    "hstu-timed": timed(
        "HSTU, with times", "hstu", ("models/networks/hstu.py", "models/networks/times.py"), DATED, buckets=32
    ),
    "ligr": network("LiGR, eSASRec's blocks", "ligr", ("models/networks/ligr.py",)),
    "sasrec-ranked": staged("SASRec with a ranker", "sasrec_ranked", SASREC_CODE),
    "two-towers": network("two towers", "two_towers", TOWERS_CODE),
    "two-stage": staged("two towers with a ranker", "two_stage", TOWERS_CODE),
    "sasrec-ids": network("SASRec, ids alone", "sasrec", SASREC_CODE, only=DESCRIBED, content=0.0),
    "sasrec-content": network(
        "SASRec with content", "sasrec", SASREC_CODE, only=("steam", "movielens"), content=OWN_NORM
    ),
    "sasrec-bce": network(
        "SASRec, ids, binary loss", "sasrec", SASREC_CODE, only=TUNED, content=0.0, loss="bce"
    ),
    "sasrec-paper": network("SASRec as in its paper", "sasrec", SASREC_CODE, only=TUNED, **PAPER),
    "sasrec-paper-softmax": network(
        "SASRec as in its paper, softmax", "sasrec", SASREC_CODE, only=TUNED, **PAPER | {"loss": "sampled"}
    ),
    "sasrec-codes": network("SASRec on own k-means codes", "sasrec", CODED, own(KMEANS), OWN),
    "sasrec-prefixes": network(
        "SASRec on beginnings of codes", "sasrec", CODED, own(KMEANS), ("steam-dated",), code_prefixes=True
    ),
    "sasrec-ready-codes": network(
        "SASRec on ready RQ-VAE codes", "sasrec", CODED[:-2], ready(RQVAE_READY), BEAUTY
    ),
    "sasrec-ready-prefixes": network(
        "SASRec on ready beginnings", "sasrec", CODED[:-2], ready(RQVAE_READY), BEAUTY, code_prefixes=True
    ),
    "tiger-ready-rqvae": network(
        "TIGER, ready RQ-VAE codes", "tiger", TIGER_CODE, ready(RQVAE_READY), BEAUTY, code_prefixes=False
    ),
    "tiger-prefixes": network(
        "TIGER, reads ready beginnings", "tiger", TIGER_CODE, ready(RQVAE_READY), BEAUTY, code_prefixes=True
    ),
    "tiger-large": network(
        "TIGER, 128 wide, ready RQ-VAE",
        "tiger",
        TIGER_CODE,
        ready(RQVAE_READY),
        BEAUTY,
        **LARGE,
        code_prefixes=False,
    ),
    "tiger-large-prefixes": network(
        "TIGER, 128 wide, reads beginnings",
        "tiger",
        TIGER_CODE,
        ready(RQVAE_READY),
        BEAUTY,
        **LARGE,
        code_prefixes=True,
    ),
    "tiger-ready-kmeans": network(
        "TIGER, ready k-means codes", "tiger", TIGER_CODE, ready(KMEANS_READY), BEAUTY, code_prefixes=False
    ),
    "tiger": network("TIGER, own k-means codes", "tiger", TIGER_CODE, own(KMEANS), OWN, code_prefixes=False),
    "tiger-own-prefixes": network(
        "TIGER, reads own beginnings", "tiger", TIGER_CODE, own(KMEANS), OWN, code_prefixes=True
    ),
    "tiger-rqvae": network(
        "TIGER, own RQ-VAE codes",
        "tiger",
        (*TIGER_CODE, "models/codes/rqvae.py"),
        own(RQVAE),
        OWN,
        code_prefixes=False,
    ),
}
