"""The Steam reviews: a small file in their format, oddities included, and the tables that come of it."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.clean import clean as cleaning
from assets.clean import core_interactions as k_core
from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.formats import steam_reviews
from assets.formats.literals import literal
from assets.formats.steam_reviews import read_reviews
from assets.ingest import raw_files as raw
from assets.resources import Cleaning, Home, Source
from tests.support.homes import materialize

DAY = 86_400 * 10**6  # microseconds


def review(user: str, game: str, date: str, **others: Any) -> str:
    """A line as Python 2 wrote it."""
    value = {
        "username": user, "hours": 13.2, "products": 4, "product_id": game, "page_order": 0, "date": date,
        "text": 'It\'s "fine"\\ \n', "early_access": False, "page": 1,
    } | others  # fmt: skip
    return "{" + ", ".join(f"u{key!r}: {_python2(part)}" for key, part in value.items()) + "}"


def _python2(value: object) -> str:
    return f"u{value!a}" if isinstance(value, str) else repr(value)


LINES = [
    review("Żubr 霧", "10", "1970-01-03"),
    review("ada", "20", "1970-01-02", user_id="7656"),
    review("ada", "10", "1970-01-02"),
    review("ada", "30", "1970-01-01"),
    review("ada", "20", "1970-01-09"),  # again
    "{u'username': u'ada', u'product_id': u'40', u'date'",
    "[1]",
    review("ada", "50", "1970-01-01").replace("u'username': u'ada', ", ""),
    review("", "50", "1970-01-01"),
    review("ada", "50", "1970-01-01").replace("u'50'", "50"),
    review("ada", "50", "Posted: January 1"),
    review("ada", "50", "\ud800"),
    "",
]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "reviews.gz").write_bytes(gzip.compress("".join(f"{line}\n" for line in LINES).encode()))
    (tmp_path / "games.gz").write_bytes(gzip.compress(b"{u'id': u'10', u'title': u'Ten'}\n"))
    return Source(
        name="steam-reviews", reviews=str(tmp_path / "reviews.gz"), games=str(tmp_path / "games.gz")
    )


def test_reviews_are_plays_at_their_dates(tmp_path: Path, source: Source) -> None:
    home = Home(path=str(tmp_path / "home"))
    result = materialize(
        home,
        raw.raw_files, cleaning.clean, receiving.events, uniting.all_interactions,
        k_core.core_interactions, *cleaning.CLEAN_CHECKS, *k_core.CORE_CHECKS,
        source=source, cleaning=Cleaning(core=1, max_quarantined_share=0.9),
    )  # fmt: skip
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())
    lake = home.lake()
    with lake.connect("core_interactions", "quarantine", "raw_counts", "catalogue") as connection:
        core = connection.execute("FROM core_interactions").fetchall()
        quarantine = connection.execute("SELECT file, line, reason FROM quarantine").fetchall()
        counts = connection.execute("SELECT file, lines_read, lines_accepted, repeats FROM raw_counts")
        assert counts.fetchall() == [("reviews", 13, 5, 1), ("games", 1, 1, 0)]
        assert connection.execute("SELECT title FROM catalogue").fetchall() == [("Ten",)]
    assert core == [
        ("ada", "30", 0, None, 0),
        ("ada", "20", 1, None, DAY),  # of one day, in the order of the file
        ("ada", "10", 2, None, DAY),
        ("Żubr 霧", "10", 0, None, 2 * DAY),
    ]
    no_text = "a review whose username, product_id or date is no text"
    assert quarantine == [
        ("reviews", 6, "not a Python literal"),
        ("reviews", 7, "not a review"),
        ("reviews", 8, "no user_id"),
        ("reviews", 9, "no user_id"),
        ("reviews", 10, no_text),
        ("reviews", 11, "a timestamp that is neither a whole number nor an ISO date or time"),
        ("reviews", 12, no_text),
        ("reviews", 13, "not a Python literal"),
    ]


texts = st.text(st.characters(exclude_characters="\0"), max_size=6) | st.sampled_from(
    ["', u'date': u'", "\\", '"']
)


@given(
    st.dictionaries(
        st.sampled_from(["username", "product_id", "date", "text", "hours"]),
        texts | st.integers() | st.floats(-9, 9) | st.booleans() | st.none(),
    ),
    st.sampled_from([_python2, repr, ascii]),
    st.sampled_from(["", "u", "ur", "x'", "\\8", "{", ",", "\\N{DIGIT ONE}", "\\x4"]),
    st.integers(0, 99),
)
@settings(max_examples=300, deadline=None)
def test_a_line_that_is_proven_is_what_python_reads(
    value: dict[str, Any], written: Callable[[object], str], noise: str, place: int
) -> None:
    line = "{" + ", ".join(f"{written(key)}: {written(part)}" for key, part in value.items()) + "}"
    line = line[:place] + noise + line[place:]
    found = steam_reviews._proven(line.encode(errors="surrogatepass"))
    if found is not None:
        assert found == steam_reviews._review(literal(line))


def test_most_lines_are_proven() -> None:
    assert steam_reviews._proven(LINES[2].encode()) == ("ada", "10", "1970-01-02")


def test_the_size_of_a_chunk_changes_nothing(tmp_path: Path, source: Source) -> None:
    path = tmp_path / "reviews.gz"
    found = [
        [row for batch in read_reviews(path, size) for row in batch.to_pylist()] for size in (1, 300, 1 << 24)
    ]
    assert found[0] == found[1] == found[2]
    assert [row["line"] for row in found[0]] == list(range(1, len(LINES) + 1))
