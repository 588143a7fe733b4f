"""A later night is measured apart from the first one, whose table stays on the page."""

import numpy as np
import pytest

from assets.resources import Home
from assets.sequences.loading import load_items, load_sequences
from benchmarks import real_size
from benchmarks.real_size import Later, Night, Stage, new_plays
from serving.state.event_stores import open_event_store

FIRST = "# The real size\n\nHow.\n\n## A first night\n| stage |\n| `networks` | 2,104 |\n"


def test_a_later_night_takes_the_place_of_the_one_before(
    empty_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(real_size, "leaderboard_rows", lambda _: [])
    nights = [Later(plays, Night(60.0 * plays, [Stage("networks", 1.0, 10**9)])) for plays in (7, 9)]
    page = nights[0].page(FIRST + "\n## What came of it\n| markov |\n", empty_home, 0.5)
    page = nights[1].page(page, empty_home, 0.4)
    assert page.startswith(FIRST.rstrip()) and page.count("## What came of it") == 1
    assert "9 new plays" in page and "7 new plays" not in page and "| markov |" not in page
    assert "Load 0.4 before it." in page and "(9.0 minutes)" in page


def test_new_plays_are_of_as_many_users_and_of_what_they_have_not_played(home: Home) -> None:
    made = new_plays(home, "tiny")
    (sequences, users), items = load_sequences(home.lake()), load_items(home.lake())
    store = open_event_store(home.events_file)
    plays = [(event.user_id, event.item_id) for event in store.events()]
    store.close()
    assert len({user for user, _ in plays}) == len(plays) == made == round(0.01 * len(sequences.items))
    for user, item in plays:
        (row,) = np.flatnonzero(users == user)
        assert items.index()[item] not in sequences.user(int(row))
