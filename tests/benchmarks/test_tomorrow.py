"""What the bench of tomorrow may learn from, and its page of what was measured."""

from pathlib import Path

import numpy as np
import pytest

from assets.resources import Splitting
from assets.training.bundling import load_training_data
from benchmarks import tomorrow_page
from benchmarks.contenders.common import packed
from benchmarks.tomorrow import (
    CHAMPION,
    JUDGED,
    SERVED,
    about,
    codes_in,
    compressed,
    key,
    known_before_the_test,
    models_of,
)
from benchmarks.tomorrow_data import DATA_SETS
from benchmarks.tomorrow_steps import STEPPED, STEPS
from models.baselines import BASELINES
from tests.assets.sequences.test_sequences import DATED, dated_home, materialize


def test_what_serves_knows_all_that_comes_before_the_test_and_nothing_after(tmp_path: Path) -> None:
    home = dated_home(tmp_path, DATED)
    materialize(home, splitting=Splitting(split="temporal", cutoffs="5,8"))
    judged = load_training_data(home.lake(), "table")
    known = known_before_the_test(home, judged)
    train = known.split.train
    assert [[judged.items.ids[i] for i in train.user(n)] for n in range(4)] == [
        ["a", "b", "c", "d"],
        ["a", "b"],
        [],
        ["b", "d", "e"],
    ]
    assert known.facts.times is not None and known.facts.times.tolist() == [1, 2, 5, 6, 5, 6, 3, 4, 4]
    assert known.items.counts.tolist() == train.counts().tolist()
    told = about(home, known, judged.split.test)
    assert len(np.unique(codes_in(told["people"]))) == 3
    cohorts = {(kind, label) for kind, label, _ in told["cohorts"]}
    assert ("user", "new") in cohorts and ("item", "new") not in cohorts


def test_baselines_come_first_and_once() -> None:
    asked = list(models_of(3, "movielens-100k"))
    assert [name for name, _ in asked[: len(BASELINES)]] == list(BASELINES)
    assert [seed for name, seed in asked if name == "sasrec"] == [0, 1, 2]
    assert asked.index(("blend", 1)) == asked.index(("sasrec", 1)) + 1, "of what is there already"
    assert len(set(asked)) == len(asked)
    more = list(models_of(3, STEPPED))
    assert more[: len(asked)] == asked and len(set(more)) == len(more)
    assert {name for name, _ in more} == {name for name, _ in asked} | set(STEPS)


def test_codes_come_back_as_they_were() -> None:
    codes = np.array([7, 7, 2**24 - 1], dtype=np.int32)
    assert codes_in(compressed(codes)).tolist() == codes.tolist()


def test_the_page_takes_cuts_and_seeds_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four plays of two users at each of two cuts; one seed of sasrec always finds, and one never."""
    cuts = [cut.name for cut in DATA_SETS["steam-dated"].cuts][:2]
    line = {"data": "steam-dated", "made": "x"}
    case = {
        "people": compressed(np.array([1, 1, 2, 2], dtype=np.int32)),
        "cohorts": [["item", "known from training", packed(np.array([1, 1, 1, 0]))],
                    ["item", "new", packed(np.array([0, 0, 0, 1]))]],
        "tied": 0.25, "trained": [9, 3], "items": 5, "strangers": packed(np.array([1, 200])),
    }  # fmt: skip
    results = []
    for cut in cuts:
        results.append(line | {"cut": cut, "case": case})
        for model, seed, ranks in (
            ("recent_popularity", 0, [1, 200, 200, 200]),
            ("sasrec", 0, [1, 1, 1, 1]),
            ("sasrec", 1, [200] * 4),
            ("graph", 0, [200] * 4),
            ("sasrec-ids", 0, [200] * 4),
            ("new_releases", 0, [200, 200, 200, 1]),
            ("newest_text", 0, [200, 200, 200, 3]),
            ("text", 0, [200] * 4),
            ("blend", 0, [200, 1, 1, 1]),
        ):
            of = packed(np.array(ranks))
            results.append(line | {"cut": cut, "model": model, "seed": seed, JUDGED: of, SERVED: of})
        results[-1]["weights"] = {"new_releases": 0.1, "sasrec": 1.0}
        chosen = [("sasrec", 0), ("recent_popularity", 1)]
        results += [
            line | {"cut": cut, "model": CHAMPION, "seed": of, "champion": name} for name, of in chosen
        ]
    of = packed(np.array([200] * 4))
    results.append(line | {"cut": cuts[0], "model": "ease", "seed": 0, JUDGED: of, SERVED: of})
    assert len({key(result) for result in results}) == len(results)
    monkeypatch.setattr(tomorrow_page, "PAGE", tmp_path / "tomorrow.md")
    tomorrow_page.write(results)
    text = (tmp_path / "tomorrow.md").read_text()
    assert f"| {cuts[0]} | 9 | 3 | 5 | 4 | 2 | 25.0% | 0.0% | 25.0% | 2: 0.5000 |" in text
    assert "| sasrec | 2 | 0.5000 (0.5000 to 0.5000) | 0.5000 (0.5000 to 0.5000) | +0.2500 (+0.0000" in text
    assert "| recent_popularity | – | 0.2500 (0.0000 to 0.5000)" in text
    assert "\nNot on all cuts yet, and compared on those where they are:\n" in text
    partly = f"| ease | {cuts[0]} | 0.0000 (0.0000 to 0.0000) | 0.0000 (0.0000 to 0.0000) |"
    assert f"{partly} -0.2500 (-0.5000 to +0.0000) | +0.0000 (+0.0000 to +0.0000) |" in text
    assert (
        "| all | sasrec, recent_popularity | 0.6250 (0.5000 to 0.7500) | +0.3750 (+0.2500 to +0.5000) |"
        in text
    )
    assert (
        "| SASRec, item numbers alone | 1 | 0.0000 (0.0000 to 0.0000) | 0.0000 (0.0000 to 0.0000) | – |"
        in text
    )
    assert "| SASRec with content, as by default there | 2 | 0.5000" in text and "| sasrec-ids |" not in text
    assert "| new_releases | +0.5000 (+nan to +nan) | +1.0000 (+nan to +nan) | -0.3333" in text
    assert "| newest_text | – | +0.5000 (+nan to +nan) |" in text
    of_the_blend = next(row for row in text.splitlines() if row.startswith("| blend | +0.5000"))
    assert of_the_blend.endswith("| -0.3333 (-0.5000 to +0.0000) |"), "beside the sasrec of its seed"
