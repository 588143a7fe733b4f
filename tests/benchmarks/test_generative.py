"""The study from popularity to TIGER: rows, lines of code, hidden items, and its page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import generative, generative_page
from benchmarks.contenders.common import packed
from benchmarks.generative import about, asked, key, measured
from benchmarks.generative_data import COLD_SHARE, DATA_SETS, with_cold_items
from benchmarks.generative_rows import ROWS, lines_of_code
from tests.assets.training.test_refit import data


def test_rows_that_draw_nothing_come_once() -> None:
    rows = list(asked("", 3))
    assert [seed for name, seed in rows if name == "sasrec"] == [0, 1, 2]
    assert rows.count(("popularity", 0)) == 1 and ("popularity", 1) not in rows
    assert list(asked("graph,tiger", 2)) == [("graph", 0), ("tiger", 0), ("tiger", 1)]


def test_lines_of_code_are_those_that_do_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text(
        '"""Words\n\nover lines."""\n# one\n\ndef f():\n    "Said."\n    return 1\n'
    )
    monkeypatch.setattr("benchmarks.generative_rows.ROOT", tmp_path)
    assert lines_of_code("a.py") == 2
    assert all((Path(__file__).parents[2] / file).is_file() for row in ROWS.values() for file in row.files)


def test_hidden_items_are_in_tests_alone() -> None:
    judged, _ = data()
    hidden = with_cold_items(judged)
    unplayed = (hidden.split.train.counts() == 0)[1:].sum() - (judged.split.train.counts() == 0)[1:].sum()
    assert 0 < unplayed <= round(COLD_SHARE * judged.items.n_items) + 1
    assert hidden.split.test is judged.split.test and hidden.fingerprint != judged.fingerprint
    assert (hidden.split.train.counts()[hidden.split.validation.targets] > 0).any()
    assert (hidden.split.validation.histories.lengths > 0).all()


def test_a_row_is_fitted_once_and_told_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables, _ = data()
    found = measured(ROWS["popularity"], 0, tables, tmp_path / "popularity-0")
    again = measured(ROWS["popularity"], 0, tables, tmp_path / "popularity-0")
    assert {**found, "ms": 0} == {**again, "ms": 0}
    assert found["parameters"] > 0 and 0 < found["coverage"] <= 1
    line = {"data": "beauty", "made": "m"}
    ranks = packed(np.full(len(tables.split.test), 1))
    results = [
        line | {"about": about(tables)},
        line | {"row": "popularity", "seed": 0} | found,
        line | {"row": "sasrec", "seed": 0} | found | {"ranks": ranks},
        line | {"row": "sasrec", "seed": 1} | found | {"ranks": ranks},
        line | {"row": "content", "seed": 0, "left out": "nothing is known"},
    ]
    assert len({key(result) for result in results}) == len(results)
    monkeypatch.setattr(generative_page, "PAGE", tmp_path / "page.md")
    generative_page.write(results)
    page = (tmp_path / "page.md").read_text()
    assert "| SASRec | 2 | 1.0000 (1.0000 to 1.0000), seeds 1.0000 to 1.0000 |" in page
    assert "Left out: content (nothing is known)." in page and "Not measured yet: graph" in page
    assert page.count("## ") == len(DATA_SETS)


def test_what_is_kept_is_read_again_but_for_a_line_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generative, "RESULTS", tmp_path / "results.jsonl")
    generative.keep({"data": "beauty", "row": "graph"})
    with generative.RESULTS.open("a") as file:
        file.write('{"data": "bea')
    assert generative.results() == [{"data": "beauty", "row": "graph"}]
