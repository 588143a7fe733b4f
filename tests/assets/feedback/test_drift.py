"""The drift of days at a champion of the real pipeline: players who go on as before, and others."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg
import numpy as np
import pytest

from assets.feedback import all_interactions as uniting
from assets.feedback import events as receiving
from assets.feedback.drift import DRIFT_CHECKS, drift, in_words, little_drift, newest_day
from assets.resources import Cleaning, Home, Source, Watching
from serving.state.events import Impression, Play
from serving.state.events_sqlite import SqliteEventStore
from serving.state.pointer import read_pointer

TODAY = datetime.now(UTC)
NOW_MS = int(TODAY.timestamp() * 1000)


def look(home: Home, watching: Watching | None = None) -> dg.ExecuteInProcessResult:
    result = dg.materialize(
        [receiving.events, uniting.all_interactions, drift, little_drift, *DRIFT_CHECKS],
        resources={
            "home": home,
            "cleaning": Cleaning(),
            "source": Source(),
            "watching": watching or Watching(),
        },
        instance=dg.DagsterInstance.ephemeral(),
    )
    assert result.success, "drift warns and blocks nothing"
    return result


def measured(home: Home) -> dict[str, dict[str, Any]]:
    return {row["measure"]: row for row in newest_day(home.lake())}


def owned(home: Home) -> tuple[dict[str, list[str]], list[str]]:
    """The library of each user, and the items of the catalogue that they may play next."""
    with home.lake().connect("interactions", "catalogue", "items") as connection:
        libraries = dict(
            connection.execute("SELECT user_id, list(item_id) FROM interactions GROUP BY user_id").fetchall()
        )
        items = connection.execute("SELECT item_id FROM items JOIN catalogue USING (item_id)").fetchall()
    return libraries, [item for (item,) in items]


def send(home: Home, plays: list[tuple[str, str]], scores: list[float], fallbacks: int = 0) -> None:
    pointer = read_pointer(home.pointer_file)
    store = SqliteEventStore(home.events_file)
    store.add([[Play(f"e{n}", user, item, NOW_MS) for n, (user, item) in enumerate(plays)]])
    shown = [
        Impression(f"r{n}", 1, "u", "i", score, pointer.version, None, NOW_MS)
        for n, score in enumerate(scores)
    ]
    shown += [
        Impression(f"f{n}", 1, "u", "i", 1.0, pointer.version, "popularity", NOW_MS) for n in range(fallbacks)
    ]
    store.add([], shown)
    store.close()


def likely(home: Home, n: int) -> list[tuple[str, str]]:
    """Plays as the training data have them: the game of one user given to another who does not own it."""
    rng = np.random.default_rng(0)
    with home.lake().connect("sequences", "items") as connection:
        found = connection.execute(
            "SELECT item_id, position FROM sequences JOIN items USING (item_index)"
        ).fetchall()
    libraries, _ = owned(home)
    by_length: dict[int, list[str]] = {}
    for user, games in libraries.items():
        by_length.setdefault(len(games), []).append(user)
    plays = set[tuple[str, str]]()
    while len(plays) < n:
        item, position = found[rng.integers(len(found))]
        users = by_length.get(position, [f"new{len(plays)}"] if position == 0 else [])
        user = users[rng.integers(len(users))] if users else None
        if user and item not in libraries.get(user, []) and user not in {u for u, _ in plays}:
            plays.add((user, item))
    return sorted(plays)


def test_players_who_go_on_as_before_are_no_drift(home: Home) -> None:
    folder = home.champions().folder(read_pointer(home.pointer_file))
    from assets.feedback.drift import learned_by

    scores = learned_by(home, folder).scores
    rng = np.random.default_rng(1)
    send(home, likely(home, 60), rng.choice(scores, 200).tolist())
    look(home)
    found = measured(home)
    assert set(found) == {"item popularity", "history length", "scores", "unknown ids", "fallbacks"}
    assert found["item popularity"]["value"] <= found["item popularity"]["chance"]
    assert found["scores"]["value"] <= found["scores"]["chance"]
    assert not any(row["drifted"] for row in found.values()), in_words(newest_day(home.lake()))


def test_other_tastes_unknown_ids_scores_and_fallbacks_are_drift_and_only_warn(
    home: Home,
) -> None:
    libraries, items = owned(home)
    rare = items[-3:]
    plays = [(user, item) for user, games in libraries.items() for item in rare if item not in games][:120]
    plays += [(f"x{n}", f"nobody-knows-{n}") for n in range(60)]
    send(home, plays, [99.0] * 50, fallbacks=50)
    result = look(home)
    found = measured(home)
    assert {name for name, row in found.items() if row["drifted"]} >= {
        "item popularity", "scores", "unknown ids", "fallbacks",
    }  # fmt: skip
    assert found["unknown ids"]["value"] == pytest.approx(60 / 180)
    assert found["fallbacks"]["value"] == pytest.approx(0.5)
    (warning,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "little_drift"]
    assert not warning.passed and warning.severity == dg.AssetCheckSeverity.WARN
    assert "unknown ids 0.333 (bound 0.1, n 180)" in str(warning.description)
    look(home, Watching(drift_bound=1.0, rate_bound=1.0))
    assert not any(row["drifted"] for row in newest_day(home.lake()))


def test_without_events_or_champion_there_is_nothing_to_say(home: Home) -> None:
    look(home)
    assert newest_day(home.lake()) == []
    assert "no day yet" in in_words([])
