"""The sample's files: the formats of the Steam data, oddities included, around the draws of the process."""

import ast
import gzip
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assets.sample import libraries as module
from assets.sample.libraries import Shop, game_lines, library_lines, played_games, write_sample
from assets.sample.process import SIZES, SampleProcess, SampleSize
from assets.sample.titles import ODD_TITLES, THEMES, draw_titles
from serving.event_schemas import EventsRequest
from serving.schemas import BatchRequest, CompareRequest, RecommendRequest

ROOT = Path(__file__).resolve().parents[3]
SEED = 20181114
MEDIUM = SampleSize(1_500, 400)  # two batches of players


@pytest.fixture(scope="module", params=["tiny", MEDIUM], ids=["tiny", "medium"])
def size(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def folder(size: str | SampleSize, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, size, SEED)
    return folder


def lines(path: Path) -> list[str]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
        return stream.read().splitlines()


def literals(path: Path) -> Iterator[Any]:
    """Each line's value, None where it is no literal."""
    for line in lines(path):
        try:
            yield ast.literal_eval(line)
        except SyntaxError:
            yield None


@pytest.fixture(scope="module")
def libraries(folder: Path) -> list[Any]:
    return list(literals(folder / "libraries.json.gz"))


@pytest.fixture(scope="module")
def games(folder: Path) -> list[Any]:
    return [game for game in literals(folder / "games.json.gz") if game is not None]


def is_valid(item: dict[str, Any]) -> bool:
    minutes = item.get("playtime_forever")
    return "item_id" in item and isinstance(minutes, int) and minutes >= 0


def united(libraries: list[Any]) -> dict[str, dict[str, int]]:
    """User -> item -> minutes, items in the order in which they were seen first."""
    users: dict[str, dict[str, int]] = {}
    for library in libraries:
        if library is None:
            continue
        owned = users.setdefault(library["steam_id"], {})
        for item in filter(is_valid, library["items"]):
            owned[item["item_id"]] = max(item["playtime_forever"], owned.get(item["item_id"], 0))
    return users


def test_the_same_seed_gives_the_same_bytes(folder: Path, size: str | SampleSize, tmp_path: Path) -> None:
    write_sample(tmp_path / "same", size, SEED)
    write_sample(tmp_path / "other", size, SEED + 1)
    names = ["games.json.gz", "libraries.json.gz"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        content = (folder / name).read_bytes()
        assert content == (tmp_path / "same" / name).read_bytes()
        assert content != (tmp_path / "other" / name).read_bytes()


def test_the_compressed_files_name_neither_time_nor_file(folder: Path) -> None:
    for path in folder.iterdir():
        header = path.read_bytes()[:10]
        assert header[3] == 0  # no optional fields, so no file name
        assert header[4:8] == bytes(4)  # no time


def test_really_played_games_are_the_draw_of_the_process(
    libraries: list[Any], size: str | SampleSize
) -> None:
    process = SampleProcess.from_seed(size, SEED)
    expected = []
    for start in range(0, process.size.players, 1000):
        rng = np.random.default_rng([SEED, 3, start])
        n = min(1000, process.size.players - start)
        expected += [[process.game_ids[g] for g in games] for games in played_games(rng, process, n)]
    found = [
        [item_id for item_id, minutes in owned.items() if minutes > 60]
        for owned in united(libraries).values()
    ]
    assert found == expected
    assert sum(len(games) >= process.size.shortest for games in found) == process.size.players


def test_libraries_have_the_shape_of_the_steam_data(libraries: list[Any]) -> None:
    for library in filter(None, libraries):
        assert list(library) == ["user_id", "items_count", "steam_id", "user_url", "items"]
        assert library["items_count"] == len(library["items"])
        for item in filter(is_valid, library["items"]):
            assert list(item) == ["item_id", "item_name", "playtime_forever", "playtime_2weeks"]
            assert 0 <= item["playtime_2weeks"] <= item["playtime_forever"]


def test_libraries_are_written_as_repr_writes_them(folder: Path, libraries: list[Any]) -> None:
    for line, library in zip(lines(folder / "libraries.json.gz"), libraries, strict=True):
        assert library is None or line == repr(library)


def test_a_few_lines_and_items_are_malformed(libraries: list[Any]) -> None:
    broken_lines = sum(library is None for library in libraries)
    items = [item for library in filter(None, libraries) for item in library["items"]]
    broken_items = sum(not is_valid(item) for item in items)
    assert 1 <= broken_lines <= 0.005 * len(libraries)
    assert 1 <= broken_items <= 0.005 * len(items)


def test_the_oddities_are_there(libraries: list[Any], games: list[Any]) -> None:
    well_formed = [library for library in libraries if library is not None]
    names = {item["item_name"] for library in well_formed for item in library["items"]}
    ids = {item["item_id"] for library in well_formed for item in library["items"] if "item_id" in item}
    owners = [library["steam_id"] for library in well_formed]
    assert len(set(owners)) < len(owners)
    assert any(not library["items"] for library in well_formed)
    assert any("'" in name and '"' in name for name in names)
    assert any("\\" in name for name in names)
    assert any(not name.isascii() for name in names)
    assert ids - {game["id"] for game in games}  # games that the catalogue does not have


def test_about_half_of_what_is_owned_is_hardly_touched(libraries: list[Any]) -> None:
    """In the real data 53 % of the items have at most 60 minutes."""
    minutes = [m for owned in united(libraries).values() for m in owned.values()]
    assert 0.45 < np.mean(np.array(minutes) <= 60) < 0.6


def test_accounts_have_ids_of_their_own(libraries: list[Any]) -> None:
    pairs = {(library["steam_id"], library["user_id"]) for library in filter(None, libraries)}
    assert len({steam_id for steam_id, _ in pairs}) == len({user_id for _, user_id in pairs}) == len(pairs)


def test_the_catalogue_is_written_as_python_2_writes_it(folder: Path, games: list[Any]) -> None:
    text = "\n".join(lines(folder / "games.json.gz"))
    assert text.isascii()
    assert text.startswith("{u'")
    ids = [game["id"] for game in games]
    assert len(set(ids)) == len(ids)
    for game in games:
        assert isinstance(game["early_access"], bool)
        assert isinstance(game.get("price", 0.0), float | str)
    prices = {type(game["price"]) for game in games if "price" in game}
    assert prices == {float, str}
    assert any("title" not in game for game in games)
    known = {genre for theme in THEMES for genre in theme.genres}
    assert all(set(game.get("genres", [])) <= known for game in games)


def test_malformed_lines_of_the_catalogue_stay_rare() -> None:
    for size in ("tiny", "default"):
        process = SampleProcess.from_seed(size, SEED)
        found = list(game_lines(Shop.from_seed(process, SEED), SEED))
        assert sum(not line.endswith("}") for line in found) <= 0.005 * len(found)


def test_libraries_are_drawn_as_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = SampleProcess.sample_users

    def counted(self: SampleProcess, rng: Any, lengths: Any) -> Any:
        drawn.append(len(lengths))
        return draw(self, rng, lengths)

    monkeypatch.setattr(SampleProcess, "sample_users", counted)
    monkeypatch.setattr(module, "usable_cores", lambda: 1)
    process = SampleProcess.from_seed("huge", SEED)
    stream = library_lines(process, Shop.from_seed(process, SEED), SEED)
    assert drawn == []
    assert len(list(islice(stream, 20))) == 20
    assert len(drawn) == 1
    assert drawn[0] < 2_000


def test_a_failed_write_leaves_no_file_behind_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: object) -> Iterator[str]:
        yield "{}"
        raise OSError("disk full")

    monkeypatch.setattr("assets.sample.libraries.library_lines", fails)
    with pytest.raises(OSError, match="disk full"):
        write_sample(tmp_path, "tiny", SEED)
    assert not (tmp_path / "libraries.json.gz").exists()


def test_titles_are_unique_at_every_size() -> None:
    for size in SIZES.values():
        groups = np.arange(size.games) % size.groups
        titles = draw_titles(np.random.default_rng(SEED), groups)
        assert len(set(titles)) == len(titles) == size.games
        assert set(ODD_TITLES) <= set(titles)


def test_the_documentation_asks_for_games_of_the_sample() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    requests = (RecommendRequest, BatchRequest, CompareRequest, EventsRequest)
    texts = [page.read_text() for page in pages]
    texts += [json.dumps(request.model_json_schema()["examples"]) for request in requests]
    named = re.findall(r'"(?:history|exclude)": \[(.*?)\]|"item_id": "?(\d+)|`/#(.*?)`', " ".join(texts))
    asked_for = set(re.findall(r"\d+", str(named)))
    assert len(asked_for) > 3
    assert asked_for <= set(SampleProcess.from_seed("default", SEED).game_ids)


def test_processes_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = SampleSize(260, 60, groups=6, tastes=3, median_length=8.0)
    monkeypatch.setattr(module, "PLAYERS_AT_ONCE", 100)
    process = SampleProcess.from_seed(size, SEED)
    here = list(library_lines(process, Shop.from_seed(process, SEED), SEED))
    monkeypatch.setattr(module, "WORTH_PROCESSES", 2)
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    monkeypatch.setattr(module, "_batch_lines", BatchesOfAHundred())
    apart = list(library_lines(process, Shop.from_seed(process, SEED), SEED))
    assert apart == here and len(here) > 260


class BatchesOfAHundred:
    """In a process of its own the module has its usual size of a batch."""

    def __call__(self, *arguments: Any) -> list[str]:
        module.PLAYERS_AT_ONCE = 100
        return module._batch_lines(*arguments)


def test_the_size_of_steam_is_that_of_the_steam_libraries() -> None:
    """88,310 lines with 5.15 million games owned; 2,235,453 plays of 56,808 users are left."""
    size = SIZES["steam"]
    process = SampleProcess.from_seed(size, SEED)
    rng = np.random.default_rng(0)
    lengths = process.sample_lengths(rng, size.players)
    assert (size.players, size.games) == (56_808, 6_382)
    assert lengths.sum() == pytest.approx(2_235_453, rel=0.02) and np.median(lengths) == 26
    shop = Shop.from_seed(process, SEED)
    batch = module._batch_lines(process, shop, SEED, 3_000)
    share = size.players / module.PLAYERS_AT_ONCE
    malformed = 1 + 1 / module.MALFORMED_LINE_EVERY
    assert len(batch) * share * malformed == pytest.approx(88_310, rel=0.03)
    owned = sum(line.count("'item_id'") for line in batch)
    assert owned * share == pytest.approx(5_150_000, rel=0.05)
    weakest = process.weights.min() / process.weights.sum() * lengths.sum()
    assert weakest > 20  # plays of the game that is played least: the core keeps all games
