"""The pictures of docs/ are not older than what they show."""

import json
import re

import pytest

from benchmarks.pictures import CHARTS, DOCS, numbers, rows_below
from benchmarks.shown import RECORD, SHOWN, sources


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_the_one_that_its_figures_give(name: str) -> None:
    kept = (DOCS / "pictures" / name).read_text(encoding="utf-8")
    assert kept == CHARTS[name](), f"docs/pictures/{name} is old: run `make pictures`"


def test_figures_are_read_from_tables() -> None:
    assert numbers("0.1116 (0.1046 to 0.1189)") == [0.1116, 0.1046, 0.1189]
    assert numbers("109,070") == [109_070]
    assert rows_below("| items | loss | positions a second | peak MiB |", "training.md")[0][1] == "sampled"
    with pytest.raises(ValueError, match="has no table"):
        rows_below("| no such | heading |", "training.md")


@pytest.mark.parametrize("name", SHOWN)
def test_a_screenshot_is_not_older_than_what_it_shows(name: str) -> None:
    made = json.loads(RECORD.read_text(encoding="utf-8"))[name]
    assert (DOCS / "pictures" / name).is_file()
    assert made["shows"] == sources(name), (
        f"docs/pictures/{name} is of {made['made']}, and what it shows has changed since: "
        f"run `make pictures`, or `python -m benchmarks.screenshots --only {name}`"
    )


def test_every_picture_is_made_by_a_script_and_every_link_to_one_is_there() -> None:
    pictures = {path.name for path in (DOCS / "pictures").iterdir()} - {RECORD.name}
    assert pictures == {*CHARTS, *SHOWN}
    pages = [DOCS.parent / "README.md", *DOCS.rglob("*.md")]
    linked = {name for page in pages for name in re.findall(r"pictures/([\w-]+\.\w+)\)", page.read_text())}
    assert linked <= pictures
