"""The rule for the defaults, put to the test: what is changed, what is chosen by others, and the page."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import defaults, defaults_page, records
from benchmarks.contenders.common import packed
from benchmarks.defaults import RULE, VARIANTS, config_of
from benchmarks.tomorrow import compressed
from models.config import OWN_NORM, TrainConfig
from tests.assets.training.test_refit import data


def test_each_variant_changes_the_rule_or_nothing() -> None:
    judged, _ = data()
    rule = config_of(RULE, judged)
    assert rule[0] == "sasrec"
    changed = {variant for variant in VARIANTS if config_of(variant, judged) != rule}
    assert {"dropout 0.15 higher", "embeddings at half the rate", "LiGR's blocks", "128 wide"} <= changed
    hidden = TrainConfig(epochs=60).with_changes(item_dropout=0.2, dropout=0.1)
    assert VARIANTS["no items hidden"](hidden) == {"item_dropout": 0.0, "dropout": 0.2, "epochs": 30}
    content = VARIANTS["content where the rule has none, none where it has"]
    assert [content(TrainConfig(content=norm))["content"] for norm in (0.0, OWN_NORM)] == [OWN_NORM, 0.0]


def _results(gains: dict[str, dict[str, float]]) -> list[dict[str, object]]:
    """Validation of each data set with the rule 0.1, and of variants so much more; others as the rule."""
    made: list[dict[str, object]] = []
    for name, own in gains.items():
        people = {"people": compressed(np.arange(3, dtype=np.int32))}
        for variant in VARIANTS:
            line = {"data": name, "made": "m", "variant": variant}
            if variant != RULE and variant not in own:
                made.append(line | {"as": RULE})
                continue
            ranks = packed(np.array([1, 2, 11 if variant == RULE else 1]))
            more = {"validation": 0.1 * (1 + own.get(variant, 0)), "ranks": ranks}
            made.append(line | more | (people if variant == RULE else {}))
    return made


def test_a_data_set_has_no_say_in_what_is_chosen_for_it() -> None:
    found = defaults_page.of(
        _results({"beauty": {"128 wide": 0.5}, "steam": {"128 wide": -0.01}, "sample": {"128 wide": -0.02}})
    )
    assert defaults_page.chosen(found, "beauty") == (RULE, 0.0)
    variant, gained = defaults_page.chosen(found, "steam")
    assert variant == "128 wide" and gained == pytest.approx(0.24)


def test_the_page_tells_gains_and_what_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults_page, "PAGE", tmp_path / "defaults.md")
    defaults_page.write(_results({"beauty": {"128 wide": 0.5}, "steam": {"128 wide": 0.1}}))
    page = (tmp_path / "defaults.md").read_text()
    assert "| rule | 0.1000 | 0.1000 | – |" in page
    assert "| 128 wide | +50.0% | +10.0% | +30.0% (20.0%) |" in page
    assert "| LiGR's blocks | = | = | +0.0% (0.0%) |" in page
    assert "| steam | 128 wide | +50.0% | 0.5436 | +0.3333 (+0.0000 to +1.0000) |" in page


def test_what_is_measured_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged, _ = data()
    monkeypatch.setattr(defaults, "RESULTS", tmp_path / "defaults.jsonl")
    monkeypatch.setattr(defaults, "open_data", lambda name, data, bench: judged)
    few = {name: VARIANTS[name] for name in (RULE, "no items hidden", "embeddings at half the rate")}
    monkeypatch.setattr(defaults, "VARIANTS", few)
    quick = defaults.default_config
    monkeypatch.setattr(
        defaults, "default_config", lambda *given: quick(*given).with_changes(epochs=1, max_length=8)
    )
    defaults.run("sample", tmp_path)
    made = records.read(tmp_path / "defaults.jsonl")
    assert [r["variant"] for r in made] == [*few] and made[1].get("as") == RULE
    assert 0 <= made[0]["validation"] <= 1
    defaults.run("sample", tmp_path)
    assert records.read(tmp_path / "defaults.jsonl") == made
