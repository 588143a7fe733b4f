"""Where the core leaves too little the run ends there, with the largest core that would keep enough."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.clean import core_interactions as k_core
from assets.resources import Cleaning, Home
from assets.state.lake import fingerprint
from tests.support.homes import failure, materialize, rows

Plays = Sequence[tuple[str, str]]  # user and item
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def make(
    folder: Path, plays: Plays, playtime: int | None = None, **cleaning: int
) -> dg.ExecuteInProcessResult:
    home = Home(path=str(folder))
    seen = Counter[str]()
    columns: dict[str, list[object]] = {"user_id": [], "item_id": [], "position": []}
    for user, item in sorted(plays):
        columns["user_id"].append(user)
        columns["item_id"].append(item)
        columns["position"].append(seen[user])
        seen[user] += 1
    table = pa.table(
        {
            "user_id": pa.array(columns["user_id"], pa.string()),
            "item_id": pa.array(columns["item_id"], pa.string()),
            "position": pa.array(columns["position"], pa.int32()),
            "playtime": pa.array([playtime] * len(plays), pa.int32()),
            "timestamp": pa.nulls(len(plays), pa.int64()),
        }
    )
    made_from = fingerprint(columns, playtime)
    home.lake().publish("all_interactions", made_from, lambda path: pq.write_table(table, path))
    return materialize(home, k_core.core_interactions, must_succeed=False, cleaning=Cleaning(**cleaning))


def complete(users: int, items: int) -> list[tuple[str, str]]:
    return [(f"u{user}", f"i{item}") for user in range(users) for item in range(items)]


def test_a_core_that_keeps_nothing_names_the_largest_that_does(tmp_path: Path) -> None:
    thin = [(f"t{n}", f"s{n}") for n in range(40)]
    told = failure(make(tmp_path, [*complete(3, 4), *thin], core=5))
    assert told == (
        "NEXTPLAY_CORE=5 keeps no play of 52 plays by 43 users of 44 items, "
        "as every user and item must keep 5. "
        "The largest core that keeps enough is 3 (12 plays by 3 users of 4 items): set NEXTPLAY_CORE=3."
    )


def test_a_core_far_too_large_is_found_too(tmp_path: Path) -> None:
    assert "is 20 (400 plays by 20 users of 20 items)" in failure(make(tmp_path, complete(20, 20), core=9999))


@pytest.mark.parametrize("plays", [complete(1, 9), complete(9, 1), [(f"u{n}", f"i{n}") for n in range(9)]])
def test_where_no_core_helps_it_is_said(tmp_path: Path, plays: Plays) -> None:
    told = failure(make(tmp_path, plays, core=5))
    assert "No smaller core keeps enough either: bring plays of more users and items." in told


@pytest.mark.parametrize(("users", "items"), [(1, 9), (9, 1)])
def test_one_user_or_one_item_is_too_little(tmp_path: Path, users: int, items: int) -> None:
    told = failure(make(tmp_path, complete(users, items), core=1))
    plural = "1 user of 9 items" if users == 1 else "9 users of 1 item"
    assert told.startswith(f"NEXTPLAY_CORE=1 keeps 9 plays by {plural} of 9 plays by {plural}")


def test_plays_all_too_short_are_told_by_their_setting(tmp_path: Path) -> None:
    result = make(tmp_path, complete(6, 6), playtime=60, core=5)
    assert failure(result).startswith("NEXTPLAY_MIN_PLAYTIME=60 leaves no play to learn from")
    assert make(tmp_path, complete(6, 6), playtime=61, core=5).success


@pytest.mark.slow
@quick
@given(
    st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("123456")), min_size=1), st.integers(2, 7)
)
def test_the_core_that_is_named_works_and_the_next_does_not(
    tmp_path: Path, plays: set[tuple[str, str]], core: int
) -> None:
    result = make(tmp_path, sorted(plays), core=core)
    if result.success:
        return
    told = failure(result)
    if "set NEXTPLAY_CORE=" in told:
        named = int(told.rpartition("=")[2].rstrip("."))
        assert named < core
        assert make(tmp_path, sorted(plays), core=named).success
        if named + 1 < core and make(tmp_path, sorted(plays), core=named + 1).success:
            users = Counter(
                user for (user,) in rows(Home(path=str(tmp_path)), "core_interactions", "user_id")
            )
            assert max(users.values()) < 3, "too few to split"
    else:
        assert "No smaller core" in told
