"""The head-to-head: one search for all, on validation alone, that goes on where it was stopped."""

import importlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import quality
from benchmarks.contenders import common
from benchmarks.hierarchy import hierarchical_interval
from benchmarks.quality import CONTENDERS_BY_NAME
from benchmarks.search import FINAL_SEEDS, RUNGS, Job, Result, Space, Study, peak
from models.data import Holdout, Sequences, Split, leave_one_out

SPACE = Space((16, 32), ("sampled", "binary"))


def study(contender: str = "a", **changes: Any) -> Study:
    return Study("data", "f", contender, SPACE, **changes)


def done(job: Job, ndcg: float) -> Result:
    return {**job, "curve": [0.0, ndcg]}


def finished(asked: Study) -> list[Result]:
    """All trainings, of which the narrower and then the one with less dropout is better."""
    results: list[Result] = []
    while jobs := asked.missing(results):
        results += [done(job, 1 / (job["settings"]["width"] + job["settings"]["dropout"])) for job in jobs]
    return results


def test_every_contender_is_asked_for_the_same_trials() -> None:
    peers = [{**job, "contender": ""} for job in study("a").missing([])]
    others = [{**job, "contender": ""} for job in study("b").missing([])]
    assert peers == others and len(peers) == RUNGS[0].trials == 20
    ours = [job["settings"] for job in study("c", own={"network": "sasrec"}).missing([])]
    assert [{k: v for k, v in settings.items() if k != "network"} for settings in ours] == SPACE.draw()


def test_all_that_is_searched_shares_space_and_budget() -> None:
    searched = {name for name, contender in CONTENDERS_BY_NAME.items() if contender.searched}
    assert {name.split("(")[1].split(",")[0] for name in searched} >= {"ours", "RePlay", "RecTools"}
    for name in searched:
        own = CONTENDERS_BY_NAME[name].own
        assert not set(own) & set(SPACE.draw()[0]), f"{name} fixes what is searched"


def test_a_draw_covers_each_dimension() -> None:
    drawn = SPACE.draw()
    for name, options in (("length", (16, 32)), ("loss", ("sampled", "binary"))):
        assert [sum(setting[name] == option for setting in drawn) for option in options] == [10, 10]
    assert {setting["width"] for setting in drawn} == {32, 64, 128}
    rates = sorted(setting["rate"] for setting in drawn)
    assert 1 / 3 <= rates[0] < 0.4 and 2.7 < rates[-1] <= 3
    assert all(0.1 <= setting["dropout"] <= 0.6 for setting in drawn)


def test_the_space_follows_from_the_histories() -> None:
    train = Sequences.from_lists([[1, 2]] * 8 + [list(range(1, 11))] * 2, 10)
    assert Space.of(train) == Space((16, 32), ("sampled", "binary", "full"))
    many = Sequences(train.items, train.offsets, 5_000)
    assert Space.of(many).losses == ("sampled", "binary")


def test_the_best_of_a_stage_go_on_and_the_best_of_all_is_trained_from_each_seed() -> None:
    results = finished(study())
    stages = [[r for r in results if r["stage"] == f"rung {n}"] for n in (1, 2)]
    best = sorted(stages[0], key=lambda r: -peak(r))[: RUNGS[1].trials]
    assert [r["settings"] for r in stages[1]] == [r["settings"] for r in best]
    final = study().done(results, final=True)
    assert [r["seed"] for r in final] == list(FINAL_SEEDS)
    assert all(r["settings"] == best[0]["settings"] for r in final)


def test_only_final_trainings_look_at_test() -> None:
    assert {r["stage"]: r["test"] for r in finished(study())} == {
        "rung 1": False, "rung 2": False, "final": True
    }  # fmt: skip


def test_test_figures_choose_nothing() -> None:
    """The same search, whatever the final trainings found."""
    results = finished(study())
    spoiled = [{**r, "ranks": "x", "test NDCG@10": 1.0} for r in results]
    assert study().done(spoiled, final=True)[0]["settings"] == results[-1]["settings"]


def test_a_search_goes_on_where_it_was_stopped() -> None:
    results = finished(study())
    for n in range(len(results)):
        missing = study().missing(results[:n])
        assert {key: value for key, value in results[n].items() if key != "curve"} in missing
        assert not any({**job, "curve": r["curve"]} == r for job in missing for r in results[:n])
    assert study().missing(results) == []
    assert study("b").missing(results) == study("b").missing([]), (
        "another contender's results are not its own"
    )
    other = Study("data", "changed", "a", SPACE)
    assert len(other.missing(results)) == RUNGS[0].trials, "other data are searched anew"


def test_without_a_search_there_are_final_trainings_alone() -> None:
    ships = study(own={"network": "sasrec"}, searched=False, own_schedule=True, seeds=2)
    jobs = ships.missing([])
    assert [(job["stage"], job["seed"], job["epochs"]) for job in jobs] == [("final", 0, 0), ("final", 1, 0)]
    assert all(job["settings"] == {"network": "sasrec"} for job in jobs)


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "RESULTS", tmp_path / "results.jsonl")
    assert quality.results() == []
    (tmp_path / "results.jsonl").write_text(
        '{"a": 1}\n{"a": 2, "settings": {"width": 1}\n{"a": 3}\n{"a": 4, "b'
    )
    assert quality.results() == [{"a": 1}, {"a": 3}]


class Popularity:
    """Scores every item by its number: enough to be ranked."""

    def score(self, histories: Sequence[Any]) -> Any:
        return np.tile(np.arange(5, dtype=np.float32), (len(histories), 1))


def tiny() -> Split:
    histories = Sequences.from_lists([[1, 2], [2, 1]], 4)
    validation = Holdout(np.arange(2), np.array([4, 3], dtype=np.int32), histories)
    return Split(histories, validation, Holdout(np.arange(2), np.array([3, 4], dtype=np.int32), histories))


def test_a_worker_trains_what_it_is_told_and_appends_a_line_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(split: Split, settings: Mapping[str, Any], seed: int, course: common.Course) -> Popularity:
        while not course.over:
            course.validate(Popularity())
        return Popularity()

    common.save_split(tmp_path / "split.npz", tiny())
    job = {"settings": {"width": 32}, "seed": 0, "epochs": 3, "patience": 1, "test": False}
    told = "".join(json.dumps({**job, "test": test}) + "\n" for test in (False, True))
    monkeypatch.setattr(sys, "stdin", io.StringIO(told))
    monkeypatch.setattr(sys, "argv", ["x", str(tmp_path / "split.npz"), str(tmp_path / "out.jsonl")])
    common.main(fit, {"torch": "1"})
    searched, final = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert searched["settings"] == {"width": 32} and "ranks" not in searched
    assert searched["curve"] == pytest.approx([(1 + 1 / np.log2(3)) / 2] * 2, abs=1e-5)  # stopped by patience
    assert common.unpacked(final["ranks"]).tolist() == [2, 1]


def test_a_trial_of_ours_is_the_beginning_of_its_final_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(quality.CONTENDERS))
    ours = importlib.import_module("ours")
    rng = np.random.default_rng(0)
    split = leave_one_out(Sequences.from_lists([list(rng.permutation(20)[:8] + 1) for _ in range(40)], 20))
    settings = {"network": "gru4rec", "width": 4, "epochs": 5, "patience": 5}

    def course(epochs: int) -> common.Course:
        return common.Course(split, common.Clock(None), patience=epochs, epochs=epochs)

    trial, final = course(2), course(0)
    assert ours.fit(split, settings, 0, trial) is None
    assert ours.fit(split, settings, 0, final) is not None
    assert len(trial.curve) == 2 and len(final.curve) == 5
    assert trial.curve == final.curve[:2]


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_split_is_read_as_it_was_saved(tmp_path: Path, exclude_seen: bool) -> None:
    saved = leave_one_out(Sequences.from_lists([[1, 2, 3], [3, 2, 3, 1]], 3), exclude_seen)
    common.save_split(tmp_path / "split.npz", saved)
    read = common.load_split(tmp_path / "split.npz")
    assert read.exclude_seen is exclude_seen
    for part in (read.train, read.validation.histories, read.test.histories):
        assert part.fingerprint() in {
            kept.fingerprint() for kept in (saved.train, saved.validation.histories, saved.test.histories)
        }
    assert np.array_equal(read.test.targets, saved.test.targets)


def test_ranks_are_packed_as_they_are_up_to_a_bound() -> None:
    ranks = np.array([1, 10, 11, 255, 256, np.iinfo(np.int32).max], dtype=np.int32)
    assert common.unpacked(common.packed(ranks)).tolist() == [1, 10, 11, 255, 255, 255]


def test_an_interval_over_users_and_seeds_by_hand() -> None:
    """Two seeds, with users that do not differ: only the seeds vary, by a factor of sqrt(2)."""
    gains = np.array([[0.2] * 50, [0.4] * 50])
    low, high = hierarchical_interval(gains)  # drawn means: 0.2, 0.3 or 0.4, spread about 0.3
    assert (low, high) == pytest.approx((0.3 - 0.1 * np.sqrt(2), 0.3 + 0.1 * np.sqrt(2)))


def test_an_interval_with_one_seed_is_that_over_users() -> None:
    values = np.random.default_rng(0).random(2_000)
    low, high = hierarchical_interval(values[None])
    spread = 1.96 * values.std() / np.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - spread, values.mean() + spread), abs=0.1 * spread)


def test_a_difference_is_paired_by_users_and_not_by_seeds() -> None:
    people = np.random.default_rng(0).random(500)
    alike = hierarchical_interval(np.stack([people, people]), np.stack([people, people]) - 0.1)
    assert alike == pytest.approx((0.1, 0.1))
    seeds = np.stack([people, people + 0.1])
    low, high = hierarchical_interval(seeds, seeds)
    assert low < -0.05 and high > 0.05
    with pytest.raises(ValueError, match="500 users and 2"):
        hierarchical_interval(seeds, seeds[:, :2])


def test_seeds_widen_an_interval_as_their_variance_says() -> None:
    """Mean of n seeds with standard deviation s: s / sqrt(n), for the unbiased s."""
    seeds = np.array([0.1, 0.2, 0.3, 0.5, 0.65, 0.7, 0.9, 1.0])
    low, high = hierarchical_interval(np.repeat(seeds[:, None], 10, axis=1))
    wide = 2 * 1.96 * seeds.std(ddof=1) / np.sqrt(len(seeds))
    assert high - low == pytest.approx(wide, rel=0.1)
