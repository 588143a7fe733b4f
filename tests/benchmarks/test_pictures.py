"""The pictures of docs/ are not older than what they show."""

import pytest

from benchmarks.pictures import CHARTS, DOCS, numbers, rows_below


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_the_one_that_its_figures_give(name: str) -> None:
    kept = (DOCS / "pictures" / name).read_text(encoding="utf-8")
    assert kept == CHARTS[name](), f"docs/pictures/{name} is old: run `python -m benchmarks.pictures`"


def test_figures_are_read_from_tables() -> None:
    assert numbers("0.1116 (0.1046 to 0.1189)") == [0.1116, 0.1046, 0.1189]
    assert numbers("109,070") == [109_070]
    assert rows_below("| items | loss | positions a second | peak MiB |", "training.md")[0][1] == "sampled"
    with pytest.raises(ValueError, match="has no table"):
        rows_below("| no such | heading |", "training.md")
