"""What is promised of an event store holds of the one in Postgres: the tests of the other one, again."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from serving.state.event_stores import is_clear, open_event_store
from serving.state.events import EventStore, Play
from serving.state.events_statements import TABLES
from tests.scale.servers import Postgres, wait_for
from tests.serving.state.test_events import (  # noqa: F401
    shown,
    test_a_failed_commit_stores_nothing_and_the_next_one_works,
    test_a_forgotten_user_is_gone_and_stays_gone,
    test_a_repeated_event_is_counted_once,
    test_a_request_with_a_conflict_stores_nothing_and_the_others_do,
    test_events_are_read_in_pages_each_once,
    test_events_come_back_as_they_were_sent,
    test_more_than_the_most_are_refused_whole,
    test_plays_are_ordered_by_when_they_were_played,
    test_the_first_impression_of_a_request_and_rank_stays,
    test_the_order_rises_from_commit_to_commit_whatever_the_clock_says,
    test_the_store_keeps_what_is_listed_and_tells_of_every_change,
)
from tests.serving.state.test_feedback import (  # noqa: F401
    DISLIKE,
    RATING,
    WISH,
    test_a_forgotten_user_told_nothing,
    test_a_refusal_holds_until_the_next_play,
    test_commits_of_feedback_alone_have_their_place_in_the_order,
    test_feedback_sent_again_counts_once_and_with_another_content_is_a_conflict,
    test_what_counts_as_a_play_is_one_and_all_of_it_is_kept,
)


@pytest.fixture
def store(database: str) -> Iterator[EventStore]:
    store = open_event_store(database)
    yield store
    store.close()


def ask(database: str, statement: str) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(database) as connection:
        return connection.execute(statement).fetchall()


def of_tables(database: str, size: str) -> dict[str, int]:
    """What a function of Postgres says of each table that the store has made."""
    made = ask(database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    sizes = {name: ask(database, f"SELECT {size}('{name}')")[0][0] for (name,) in made}
    return {name: taken for name, taken in sizes.items() if name != "event_store"}


def test_every_table_is_measured(database: str, store: EventStore) -> None:
    drawn = replace(shown("r", 1, "u"), propensity=0.25)
    store.add([[DISLIKE, RATING, WISH, Play("e", "u", "1")]], [drawn])
    sizes = of_tables(database, "pg_total_relation_size")
    assert sizes.keys() == set(TABLES)
    assert store.size().tables == sum(sizes.values())


def test_what_was_told_and_shown_leaves_the_files_of_every_table(database: str, store: EventStore) -> None:
    """The vacuum gives pages without a row back."""
    told = [replace(DISLIKE, event_id=f"d{n}") for n in range(100)]
    drawn = [replace(shown("r", rank, "u"), propensity=0.25) for rank in range(1, 101)]
    store.add([[*told, RATING, Play("e", "u", "1")]], drawn)
    store.forget("u")
    of_user = ("events", "impressions", "propensities", "feedback")
    before = of_tables(database, "pg_relation_size")
    assert all(before[table] > 0 for table in of_user)
    assert store.compact()
    after = of_tables(database, "pg_relation_size")
    assert [after[table] for table in of_user] == [0, 0, 0, 0]


def test_every_table_is_vacuumed(database: str, store: EventStore) -> None:
    store.compact()
    statement = "SELECT relname FROM pg_stat_user_tables WHERE vacuum_count > 0"
    wait_for(lambda: {name for (name,) in ask(database, statement)} == set(TABLES))


def test_the_chance_of_an_impression_goes_with_it(database: str, store: EventStore) -> None:
    """With its user, or after its days, where it names none; of one that is not kept there is none."""
    store.forget("ada")
    store.add([], [replace(shown(user, 1, user), propensity=0.5) for user in ("ada", "bob", "eve")])
    nobodys = [replace(shown(f"n{at}", 1, None, at=at), propensity=1) for at in range(2, 7)]
    store.add([], [*nobodys, shown("n9", 1, None, at=9)])
    store.add([], [replace(nobodys[0], propensity=0.25)])
    kept = "SELECT request_id, propensity FROM propensities ORDER BY 1"
    assert ask(database, kept) == [("bob", 0.5), ("eve", 0.5), *((f"n{at}", 1.0) for at in range(2, 7))]
    assert store.forget("bob").impressions == 1
    assert [store.remove_impressions(shown_before=5, at_most=3) for _ in range(3)] == [3, 1, 0]
    assert ask(database, kept) == [("n5", 1.0), ("n6", 1.0)]
    assert [(one.request_id, one.propensity) for one in store.impressions()] == [
        ("n5", 1.0),
        ("n6", 1.0),
        ("n9", None),
    ]


def test_what_counts_as_nothing_leaves_the_store_but_for_the_newest(store: EventStore) -> None:
    for n in range(4):
        store.add([[replace(WISH, event_id=f"w{n}", played_at=n)]])
    store.add([[DISLIKE]])
    store.add([[replace(WISH, event_id="last", played_at=9)]])
    after = store.last_feedback() + 1_000_000
    assert [store.remove_uncounted(after, at_most=3) for _ in range(3)] == [3, 1, 0]
    assert [(told.kind, told.told_at) for told in store.feedback()] == [("dislike", 50), ("wishlist", 9)]


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), st.booleans())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_password_is_read_as_it_was_written_or_the_address_is_not_clear(
    postgres: Postgres, password: str, quoted: bool
) -> None:
    """By libpq and by SQLAlchemy, which MLflow reads it with."""
    from psycopg.conninfo import conninfo_to_dict

    address = f"postgresql://ada:{quote(password, safe='') if quoted else password}@host:5432/base"
    assert is_clear(address) or not quoted
    if is_clear(address):
        url, read = make_url(address), conninfo_to_dict(address)
        assert (read["user"], read["host"], read["dbname"]) == ("ada", "host", "base")
        assert (url.username, url.host, url.database) == ("ada", "host", "base")
        assert url.password == read["password"]
