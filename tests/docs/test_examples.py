"""The ids in README and docs are games of the built-in sample, under the titles that are shown."""

import re
from pathlib import Path

import pytest

from assets.sample.libraries import SEED, Shop
from assets.sample.process import SampleProcess

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "docs/api.md", "docs/demo.md", "docs/operations.md")
ID = r"(\d{4,7})"


@pytest.fixture(scope="module")
def titles() -> dict[str, str]:
    process = SampleProcess.from_seed("default", SEED)
    shop = Shop.from_seed(process, SEED)
    return dict(zip(shop.ids[: process.n_games], shop.titles, strict=False))


@pytest.mark.parametrize("page", PAGES)
def test_examples_name_games_of_the_sample(page: str, titles: dict[str, str]) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    histories = re.findall(r'"(?:history|exclude)": \[+([^]]+)\]', text)
    named = {i for of in histories for i in re.findall(ID, of)} | set(re.findall(rf'"item_id": "?{ID}', text))
    named |= set(re.findall(rf"/#{ID}", text)) | set(re.findall(rf"/similar/{ID}", text))
    assert named and named <= titles.keys(), named - titles.keys()
    shown = re.findall(rf'"item_id": "{ID}", "title": "([^"]+)"', text)
    assert [(i, title) for i, title in shown if titles[i] != title] == []
