"""What is promised of an event store holds of the one in Postgres: the tests of the other one, again."""

from collections.abc import Iterator

import pytest

from serving.state.event_stores import open_event_store
from serving.state.events import EventStore
from tests.serving.state.test_events import (  # noqa: F401
    test_a_failed_commit_stores_nothing_and_the_next_one_works,
    test_a_forgotten_user_is_gone_and_stays_gone,
    test_a_repeated_event_is_counted_once,
    test_a_request_with_a_conflict_stores_nothing_and_the_others_do,
    test_events_come_back_as_they_were_sent,
    test_more_than_the_most_are_refused_whole,
    test_plays_are_ordered_by_when_they_were_played,
    test_the_first_impression_of_a_request_and_rank_stays,
    test_the_order_rises_from_commit_to_commit_whatever_the_clock_says,
    test_the_store_keeps_what_is_listed_and_tells_of_every_change,
)


@pytest.fixture
def store(database: str) -> Iterator[EventStore]:
    store = open_event_store(database)
    yield store
    store.close()
