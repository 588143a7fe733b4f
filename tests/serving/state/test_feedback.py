"""Feedback in the event store: kept beside plays, idempotent like them, and forgotten with its user."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.feedback import A_PLAY, NOTHING, REFUSAL
from serving.state.events import Conflict, Forgotten, Play, Stored, Told
from serving.state.events_sqlite import SqliteEventStore

DISLIKE = Play("d1", "u", "10", 50, "r", "dislike", counts=REFUSAL)
RATING = Play("r1", "u", "20", 60, None, "rating", 4.5, A_PLAY)
WISH = Play("w1", "u", "30", 70, kind="wishlist", counts=NOTHING)


@pytest.fixture
def store(tmp_path: Path) -> SqliteEventStore:
    return SqliteEventStore(tmp_path / "events.db")


def test_what_counts_as_a_play_is_one_and_all_of_it_is_kept(store: SqliteEventStore) -> None:
    assert store.add([[DISLIKE, RATING, WISH, Play("e1", "u", "40", 80)]]) == [Stored(4, 0, 0)]
    assert [(e.event_id, e.item_id, e.played_at) for e in store.events()] == [
        ("e1", "40", 80),
        ("r1", "20", 60),
    ]
    assert store.plays("u") == ["20", "40"]
    assert list(store.feedback()) == [
        Told("u", "10", "dislike", None, REFUSAL, 50),
        Told("u", "20", "rating", 4.5, A_PLAY, 60),
        Told("u", "30", "wishlist", None, NOTHING, 70),
    ]


def test_feedback_sent_again_counts_once_and_with_another_content_is_a_conflict(
    store: SqliteEventStore,
) -> None:
    store.add([[DISLIKE, RATING]])
    assert store.add([[DISLIKE], [replace(RATING, counts=NOTHING)]]) == [Stored(0, 1, 0), Stored(0, 1, 0)]
    for changed, field in (
        (replace(DISLIKE, kind="like"), "kind"),
        (replace(RATING, value=5.0), "value"),
        (replace(RATING, value=None), "value"),
        (Play("d1", "u", "10", 50, "r"), "kind"),
        (Play("r1", "u", "20", 60), "kind"),
    ):
        assert store.add([[changed]]) == [Conflict(changed.event_id, field)]
    assert store.add(
        [[Play("e1", "u", "1", 5)], [replace(WISH, event_id="e1", item_id="1", played_at=5)]]
    ) == [
        Stored(1, 0, 0),
        Conflict("e1", "kind"),
    ]


@pytest.mark.parametrize(
    ("later", "is_refused"),
    [
        (Play("e1", "u", "10", 51), False),
        (Play("e1", "u", "10", 50), True),
        (Play("e1", "u", "10", 49), True),
        (Play("e1", "v", "10", 51), True),
        (Play("e1", "u", "11", 51), True),
        (Play("e1", "u", "10", 51, kind="like"), False),
        (Play("e1", "u", "10", 51, kind="wishlist", counts=NOTHING), True),
    ],
)
def test_a_refusal_holds_until_the_next_play(store: SqliteEventStore, later: Play, is_refused: bool) -> None:
    store.add([[later]])
    store.add([[DISLIKE]])  # in whatever order they come
    assert store.refused("u") == (frozenset({"10"}) if is_refused else frozenset())
    assert store.refused("nobody") == frozenset()


def test_a_forgotten_user_told_nothing(store: SqliteEventStore) -> None:
    store.add([[DISLIKE, RATING, WISH, replace(DISLIKE, event_id="d2", user_id="v")]])
    assert store.forget("u") == Forgotten(3, 0)
    assert [told.user_id for told in store.feedback()] == ["v"]
    assert store.refused("u") == frozenset()
    assert store.add([[DISLIKE]]) == [Stored(0, 0, 1)]


def test_commits_of_feedback_alone_have_their_place_in_the_order(
    store: SqliteEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.state.events_sql.now_ms", lambda: 1000)
    for number in range(3):
        store.add([[replace(WISH, event_id=f"w{number}")]])
        store.add([[Play(f"e{number}", "u", "1", 5)]])
    assert [event.sequence for event in store.events()] == [1001, 1003, 1005]
