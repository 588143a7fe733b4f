"""The models on a DataFrame: what is learned, saved and served, and one sentence for each mistake."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.bundle.bundle import bundle_hash, read_manifest
from models.config import ConfigError
from models.frames import FrameError, read_plays
from models.library import Recommender
from serving.recommender import Recommender as Endpoint

N_ITEMS = 20
QUICK = {"epochs": 15, "warmup_steps": 5, "width": 16, "heads": 1, "threads": 1, "learning_rate": 1e-2}


def chains(users: int, seed: int = 0) -> pd.DataFrame:
    """Each user goes on from item i to item i + 1, from a random one on; the rows are shuffled."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"u{user:03}", f"game {(start + n) % N_ITEMS:02}", 1_000 * n + user)
        for user, start in enumerate(rng.integers(N_ITEMS, size=users))
        for n in range(8)
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).sample(frac=1, random_state=seed)


FRAME = chains(120)
FITTED = {"markov": Recommender("markov").fit(FRAME)}


def fitted(name: str) -> Recommender:
    if name not in FITTED:
        FITTED[name] = Recommender(name, **QUICK).fit(FRAME)
    return FITTED[name]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a fitted model, saved once."""
    return cache(lambda name: fitted(name).save(tmp_path_factory.mktemp("saved") / "deep" / name))


@pytest.mark.parametrize("name", ["markov", "sasrec"])
def test_five_lines(name: str, saved: Callable[[str], Path]) -> None:
    model = fitted(name)
    assert model.evaluate()["hr@1"] > 0.9
    best = model.recommend(histories=[["game 03", "game 04"], ["game 18", "game 19"]], k=3)
    assert best.columns.tolist() == ["history", "rank", "item_id", "score"]
    assert best[best["rank"] == 1]["item_id"].tolist() == ["game 05", "game 00"]
    folder = saved(name)
    again = Recommender.load(folder)
    assert again.model == name
    same = again.recommend(histories=[["game 03", "game 04"], ["game 18", "game 19"]], k=3)
    pd.testing.assert_frame_equal(best, same, rtol=1e-3)
    other = chains(50, seed=1)
    assert again.evaluate(other) == pytest.approx(model.evaluate(other), abs=0.02)
    assert [path.name for path in folder.parent.iterdir()] == [name], "nothing is left beside it"


@pytest.mark.parametrize("name", ["markov", "sasrec"])
def test_the_endpoint_serves_what_was_saved(name: str, saved: Callable[[str], Path]) -> None:
    endpoint = Endpoint(saved(name))
    assert endpoint.manifest.architecture == name
    assert read_manifest(saved(name)).metrics["ndcg@10"] > 0.5
    assert endpoint.recommend(["game 03", "game 04"], 3).items[0].item_id == "game 05"


def test_users_get_what_they_do_not_have() -> None:
    best = fitted("markov").recommend(users=["u007", "u001"], k=4)
    assert best.groupby("user_id", sort=False).size().to_dict() == {"u007": 4, "u001": 4}
    for user, items in best.groupby("user_id")["item_id"]:
        assert set(items).isdisjoint(FRAME[FRAME["user_id"] == user]["item_id"])


def test_what_is_evaluated_was_not_learned_from() -> None:
    changed = FRAME.copy()
    last = changed.groupby("user_id")["timestamp"].idxmax()
    others = [f"game {(int(item[-2:]) + 6) % N_ITEMS:02}" for item in changed.loc[last, "item_id"]]
    changed.loc[last, "item_id"] = others  # nobody has them yet
    histories = [[f"game {n:02}"] for n in range(N_ITEMS)]
    one, other = fitted("markov"), Recommender("markov").fit(changed)
    pd.testing.assert_frame_equal(
        one.recommend(histories=histories, k=5), other.recommend(histories=histories, k=5)
    )


def test_frames_of_all_kinds_and_orders_of_rows_give_the_same_bundle(tmp_path: Path) -> None:
    dated = FRAME.assign(timestamp=pd.to_datetime(FRAME["timestamp"], unit="s"))
    kinds = {
        "arrow": pa.table(FRAME.sort_values("user_id")),
        "dates": dated,
        "categories": FRAME.astype({"item_id": "category"}),
        "more columns": FRAME.assign(hours=1.0),
        "played again": pd.concat([FRAME, FRAME.assign(timestamp=FRAME["timestamp"] + 10**6)]),
    }
    expected = bundle_hash(fitted("markov").save(tmp_path / "pandas"))
    for kind, frame in kinds.items():
        folder = Recommender("markov").fit(frame).save(tmp_path / kind)
        assert bundle_hash(folder) == expected, kind


def test_a_frame_becomes_sequences_by_hand() -> None:
    plays = read_plays(
        pd.DataFrame({"user_id": [7, 7, 3, 7], "item_id": ["b", "a", "a", "b"], "timestamp": [5, 5, 1, 2]})
    )
    assert (plays.users, plays.items) == (["3", "7"], ["a", "b"])
    assert [plays.sequences.user(row).tolist() for row in range(2)] == [[1], [2, 1]]
    assert plays.times.tolist() == [1, 2, 5]


def test_ids_that_became_floats_are_those_of_the_frame() -> None:
    frame = FRAME.assign(
        user_id=FRAME["user_id"].str[1:].astype(float), item_id=FRAME["item_id"].str[-2:].astype(float) + 0.5
    )
    model = Recommender("markov").fit(frame)
    best = model.recommend(users=[7.0, 7, np.float64(7), "7"], k=2)
    assert best["user_id"].tolist() == ["7"] * 8
    assert model.recommend(histories=[[3.5, "4.5"]], k=1)["item_id"].tolist() == ["5.5"]


@pytest.mark.slow
def test_a_loaded_network_learns_anew_with_the_settings_of_its_bundle(
    saved: Callable[[str], Path], tmp_path: Path
) -> None:
    again = Recommender.load(saved("sasrec")).fit(FRAME)
    again.save(tmp_path / "second")
    assert bundle_hash(tmp_path / "second") == bundle_hash(saved("sasrec"))


def test_new_items_of_a_frame_rank_last_and_are_passed_over() -> None:
    model = fitted("markov")
    new = pd.DataFrame({"user_id": 1, "item_id": ["game 03", "new", "game 04"], "timestamp": [1, 2, 3]})
    assert model.evaluate(new)["hr@1"] == 1
    assert model.evaluate(new.assign(timestamp=[1, 3, 2]))["hr@10"] == 0


def loaded(tmp_path: Path) -> Recommender:
    return Recommender.load(fitted("markov").save(tmp_path / "saved"))


MISTAKES: dict[str, tuple[Any, str]] = {
    "an unknown model": (lambda _: Recommender("sasrek"), "no model 'sasrek': take one of gru4rec, sasrec"),
    "settings of a baseline": (lambda _: Recommender("markov", epochs=3), "takes no settings.*epochs"),
    "no frame": (lambda _: Recommender().fit(3), "A int is no DataFrame"),
    "a missing column": (
        lambda _: Recommender().fit(FRAME.drop(columns="timestamp")),
        "no column timestamp: it takes user_id, item_id, timestamp, and has user_id, item_id",
    ),
    "an empty frame": (lambda _: Recommender().fit(FRAME[:0]), "The frame is empty"),
    "missing values": (
        lambda _: Recommender().fit(FRAME.assign(item_id=[None, *FRAME["item_id"][1:]])),
        "The column item_id lacks 1 values",
    ),
    "times as text": (
        lambda _: Recommender().fit(FRAME.assign(timestamp="2024-01-01")),
        "The column timestamp holds .*string",
    ),
    "short histories": (
        lambda _: Recommender().fit(FRAME.sort_values("timestamp").groupby("user_id").head(3)),
        "Nobody in the frame has played 4 items",
    ),
    "a baseline that does not apply": (
        lambda _: Recommender("next_larger_id").fit(FRAME),
        "next_larger_id cannot be fitted to this frame",
    ),
    "not fitted": (lambda _: Recommender().evaluate(), "learned nothing yet: call fit"),
    "nobody to recommend to": (lambda _: fitted("markov").recommend(), "either users or histories"),
    "no item asked for": (lambda _: fitted("markov").recommend(["u001"], k=0), "k is 0"),
    "an unknown user": (
        lambda _: fitted("markov").recommend(["u001", "ann", "bob"]),
        "no user 'ann' nor 1 others asked for: give histories",
    ),
    "unknown items": (
        lambda _: fitted("markov").recommend(histories=[["chess"]]),
        "knows no item of the history \\['chess'\\]",
    ),
    "users of a loaded model": (lambda path: loaded(path).recommend(["u001"]), "knows no users"),
    "a loaded model on nothing": (lambda path: loaded(path).evaluate(), "give a frame to evaluate it on"),
    "nobody to evaluate on": (
        lambda _: fitted("markov").evaluate(FRAME.groupby("user_id").head(2)),
        "Nobody in the frame has played 3 items",
    ),
    "a folder that exists": (lambda path: fitted("markov").save(path), "exists already"),
}


@pytest.mark.parametrize(("ask", "answer"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_gets_one_sentence(ask: Any, answer: str, tmp_path: Path) -> None:
    with pytest.raises(FrameError, match=answer) as error:
        ask(tmp_path)
    assert "\n" not in str(error.value)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(ConfigError, match="epoch"):
        Recommender("sasrec", epoch=3).fit(FRAME)
