"""The study from popularity to TIGER: rows, lines of code, hidden items, and its page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import generative, generative_causes, generative_page
from benchmarks.contenders.common import packed
from benchmarks.generative import about, asked, key, measured, suits
from benchmarks.generative_causes import CAUSES
from benchmarks.generative_data import COLD_SHARE, DATA_SETS, with_cold_items
from benchmarks.generative_figures import Measured
from benchmarks.generative_rows import ROWS, in_tables, lines_of_code
from benchmarks.generative_timed import open_timed, write_timed
from models.bundle.bundle import read_manifest
from models.config import NetworkConfig, TrainConfig
from models.moment import Moment
from tests.assets.training.test_refit import data


def test_rows_that_draw_nothing_come_once() -> None:
    rows = list(asked("", 3))
    assert [seed for name, seed in rows if name == "sasrec"] == [0, 1, 2]
    assert rows.count(("popularity", 0)) == 1 and ("popularity", 1) not in rows
    assert list(asked("graph,tiger", 2)) == [("graph", 0), ("tiger", 0), ("tiger", 1)]


def test_a_data_set_is_asked_for_rows_that_it_has() -> None:
    assert suits("tiger-rqvae", "steam") and suits("tiger-prefixes", "beauty-cold")
    assert not suits("tiger-rqvae", "beauty") and not suits("gru4rec", "beauty-cold")
    assert {row for data in DATA_SETS.values() for row in data.rows} <= set(ROWS)


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


def test_what_is_known_of_a_hidden_play_is_hidden_with_it() -> None:
    judged, _ = data()
    plays = np.arange(len(judged.split.train.items))
    split = replace(judged.split, played_ms=plays, ages=plays.astype(np.float32))
    hidden = with_cold_items(replace(judged, split=split, facts=replace(judged.facts, times=plays)))
    kept = hidden.facts.times
    assert kept is not None and 0 < len(kept) < len(plays)
    assert np.array_equal(judged.split.train.items[kept], hidden.split.train.items)
    assert np.array_equal(hidden.split.played_ms, kept) and np.array_equal(hidden.split.ages, kept)


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
    assert page.count("## ") == len(DATA_SETS) + len(CAUSES) + 1


def test_numbers_in_tables_of_codes_count_among_those_that_were_learned() -> None:
    tables, _ = data()
    codes = np.array([[0, 0], *([i // 4, i % 4] for i in range(tables.items.n_items))], dtype=np.int32)
    tables = replace(tables, split=replace(tables.split, codes=codes))
    config = TrainConfig(network=NetworkConfig(width=8), codes=True)
    firsts, seconds = len(set(codes[1:, 0])), 4
    assert in_tables(tables, config) == (firsts + seconds) * (8 + 1)
    beginnings = in_tables(tables, config.with_changes(code_prefixes=True))
    assert beginnings == (firsts + tables.items.n_items) * (8 + 1)


def test_a_network_with_times_is_opened_as_it_was_trained(tmp_path: Path) -> None:
    tables, _ = data()
    shape = NetworkConfig(width=8, layers=1, time_buckets=4)
    write_timed(tmp_path, "hstu", tables, TrainConfig(network=shape, epochs=1))
    opened, histories = open_timed(tmp_path, tables), [np.array([1, 2]), np.array([3])]
    moment = Moment(np.array([9_000, 9_000]), np.array([1_000, 2_000, 3_000]), np.array([0, 2]))
    assert not np.allclose(opened.score(histories)[:, 1:], opened.score_at(histories, moment)[:, 1:])
    assert read_manifest(tmp_path).config["network"]["time_buckets"] == 4


def test_causes_are_told_of_what_is_measured() -> None:
    tables, _ = data()
    line, n = {"data": "steam-dated", "made": "m"}, len(tables.split.test)
    row = {"seed": 0, "ms": 0.1}
    results = [
        line | {"about": about(tables)},
        line | {"row": "hstu", "ranks": packed(np.full(n, 1))} | row,
        line | {"row": "hstu-timed", "ranks": packed(np.full(n, 3))} | row,
        line | {"row": "sasrec", "ranks": packed(np.full(n, 11))} | row,
    ]
    told = list(generative_causes.tables(results))
    start = told.index(CAUSES["time"].heading)
    assert told[start + 2].startswith(
        "| Dated Steam reviews | HSTU, without times | 1.0000 (1.0000 to 1.0000) |  |"
    )
    assert "| 0.5000 (0.5000 to 0.5000) | -0.5000 (-0.5000 to -0.5000) |" in told[start + 3]
    assert told[-1].startswith("| Dated Steam reviews | SASRec | 0.0000") and told[-1].endswith("| 0.10 |")
    known = {row for cause in CAUSES.values() for row in cause.rows}
    assert known <= set(ROWS) and {name for cause in CAUSES.values() for name in cause.data} <= set(DATA_SETS)


def test_differences_say_how_far_their_seeds_lie_apart() -> None:
    tables, _ = data()
    line, n = {"data": "steam-dated", "made": "m"}, len(tables.split.test)
    ranks = {
        ("sasrec", 0): 1,
        ("sasrec", 1): 3,
        ("hstu", 0): 3,
        ("hstu", 1): 1,
        ("ligr", 0): 1,
        ("graph", 0): 11,
    }
    rows = [line | {"row": row, "seed": s, "ranks": packed(np.full(n, r))} for (row, s), r in ranks.items()]
    found = Measured.of("steam-dated", [line | {"about": about(tables)}, *rows])
    assert found
    assert found.less("hstu", "sasrec") == "+0.0000 (+0.0000 to +0.0000), seeds -0.5000 to +0.5000"
    assert found.less("graph", "sasrec") == "-0.7500 (-0.7500 to -0.7500), seeds -1.0000 to -0.5000"
    assert found.less("ligr", "sasrec") == "+0.2500 (+0.2500 to +0.2500)"


def test_what_is_kept_is_read_again_but_for_a_line_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generative, "RESULTS", tmp_path / "results.jsonl")
    generative.keep({"data": "beauty", "row": "graph"})
    with generative.RESULTS.open("a") as file:
        file.write('{"data": "bea')
    assert generative.results() == [{"data": "beauty", "row": "graph"}]
