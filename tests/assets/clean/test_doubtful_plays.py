"""Plays that may be none of one person, or none at all, are told."""

from pathlib import Path

import pytest

from assets.clean.doubtful_plays import everyone_is_somebody, plays_are_there_once
from assets.resources import Cleaning, Home
from tests.support.tables import publish

NOON = 1_514_808_000
DAY = 86_400
PEOPLE = [(f"u{n}", item) for n in range(40) for item in ("a", "b")]


def told_of_people(folder: Path, more: list[tuple[str, str]]) -> str:
    home = Home(path=str(folder))
    plays = [(user, item, n, None, n) for n, (user, item) in enumerate([*PEOPLE, *more])]
    publish(home.lake(), "interactions", plays)
    found = everyone_is_somebody(home)
    assert found.passed is (found.description is None)
    return str(found.description)


@pytest.mark.parametrize(
    "user", ["unknown", "Guest", "-", "?", "00000000-0000-0000-0000-000000000000", "[deleted]"]
)
def test_a_user_that_is_nobody_is_told(tmp_path: Path, user: str) -> None:
    told = told_of_people(tmp_path, [(user, f"i{n}") for n in range(9)])
    assert f"the user '{user}' has 9 of 89 plays: name it in NEXTPLAY_MISSING" in told


def test_an_item_that_is_none_is_told(tmp_path: Path) -> None:
    told = told_of_people(tmp_path, [(f"u{n}", "(other)") for n in range(9)])
    assert told.startswith("the item '(other)' has 9 of 89 plays")


@pytest.mark.parametrize(
    ("user", "plays", "is_told"),
    [("0", 6, True), ("0", 5, False), ("bot", 20, True), ("bot", 19, False), ("🎮", 9, False)],
)
def test_a_user_of_many_times_the_plays_of_others_is_told(
    tmp_path: Path, user: str, plays: int, is_told: bool
) -> None:
    told = told_of_people(tmp_path, [(user, f"i{n}") for n in range(plays)])
    assert (f"the user '{user}'" in told) is is_told


def test_few_users_do_not_stand_out(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("a", f"i{n}", n, None, n) for n in range(90)] + [("b", "i", 0)])
    assert everyone_is_somebody(home).passed


@pytest.mark.parametrize(
    ("repeats", "times", "is_told"),
    [
        ("keep", [NOON, NOON, NOON + 5], True),
        ("keep", [NOON * 1000, NOON * 1000, NOON * 1000 + 5], True),
        ("keep", [7, 7, 8], True),
        ("keep", [NOON, NOON + 1, NOON + 2], False),
        ("keep", [DAY * 17_000, DAY * 17_000, DAY * 17_001], False),
        ("first", [NOON, NOON, NOON + 5], False),
    ],
)
def test_plays_that_are_there_twice_are_told(
    tmp_path: Path, repeats: str, times: list[int], is_told: bool
) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("u", "a", n, None, time) for n, time in enumerate(times)])
    found = plays_are_there_once(home, Cleaning(repeats=repeats))
    assert found.passed is not is_told
    assert not is_told or str(found.description).startswith("1 of 3 plays are there before")


def test_plays_without_times_are_no_copies(tmp_path: Path) -> None:
    home = Home(path=str(tmp_path))
    publish(home.lake(), "interactions", [("u", "a", 0), ("u", "a", 1)])
    assert plays_are_there_once(home, Cleaning(repeats="keep")).passed
