"""The built-in sample: invented libraries and games in the formats of the Steam data, oddities included.

What players really play, more than 60 minutes of it, is exactly a draw of the known process in
`assets.sample.process`: every oddity is something added, or the same content in more than one line. So the
sequences that a pipeline makes of the files are the process's own, and its optimum is theirs.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assets.formats.parallel import in_processes
from assets.sample import SEED
from assets.sample.process import SampleProcess, SampleSize
from assets.sample.titles import draw_titles, pick, theme_of
from models.cores import usable_cores

LIBRARIES_FILE = "libraries.json.gz"
GAMES_FILE = "games.json.gz"

PLAYERS_AT_ONCE = 1000  # drawn and held in memory together
WORTH_PROCESSES = 20  # batches: fewer are drawn while processes would start
PLAYED_MINUTES = 60  # really played is more than this
MEDIAN_MINUTES, MINUTES_SPREAD, MOST_MINUTES = 500.0, 1.6, 300_000  # of really played games
RECENT_SHARE = 0.05  # of the really played games, also played in the last two weeks

SPLIT_SHARE = 0.02  # of the accounts: the library goes on in a second line
REPEATED_SHARE = 0.01  # of the accounts: the same line comes again
OVERLAP = 2  # items that both lines of a split library hold
MALFORMED_LINE_EVERY = 400  # lines
MALFORMED_ITEM_EVERY = 100  # accounts that own games

SHELFWARE_SHARE = 0.1  # of the games: as many more that are owned and never really played
MISSING_SHARE = 0.03  # of the games: not in the catalogue
FIRST_STEAM_ID = 76561197960265728
VANITY_SHARE = 0.45  # of the accounts: known by a chosen name


@dataclass(frozen=True)
class Shop:
    """Everything that can be owned: the games of the process in its numbering, then shelfware."""

    ids: list[str]
    titles: list[str]
    groups: NDArray[np.int64]

    @classmethod
    def from_seed(cls, process: SampleProcess, seed: int) -> "Shop":
        rng = np.random.default_rng([seed, 1])
        titles = draw_titles(rng, process.groups)
        extended = rng.permutation(process.n_games)[: max(1, int(SHELFWARE_SHARE * process.n_games))]
        kinds = ("Soundtrack", "Demo", "Dedicated Server", "Wallpaper Pack", "Artbook")
        return cls(
            ids=process.game_ids + [str(int(process.game_ids[game]) + 5) for game in extended],
            titles=titles + [f"{titles[game]} - {pick(rng, kinds)}" for game in extended],
            groups=np.concatenate([process.groups, process.groups[extended]]),
        )


def write_sample(folder: Path, size: str | SampleSize = "default", seed: int = SEED) -> None:
    """Write `libraries.json.gz` and `games.json.gz`; the same size and seed give the same bytes.

    Each file appears whole or not at all. No more than some 1,000 players a core are in memory at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    process = SampleProcess.from_seed(size, seed)
    shop = Shop.from_seed(process, seed)
    write_lines(folder / GAMES_FILE, game_lines(shop, seed))
    write_lines(folder / LIBRARIES_FILE, library_lines(process, shop, seed))


def game_lines(shop: Shop, seed: int) -> Iterator[str]:
    """The catalogue in the order of the app ids, each line a Python 2 literal; some games are missing."""
    rng = np.random.default_rng([seed, 2])
    n = len(shop.ids)
    missing = set(rng.permutation(n)[: max(1, int(MISSING_SHARE * n))].tolist())
    in_order = sorted(range(n), key=lambda game: int(shop.ids[game]))
    listed = [game for game in in_order if game not in missing]
    yield from _with_malformed(_python2(game_fields(rng, shop, game)) for game in listed)


def library_lines(process: SampleProcess, shop: Shop, seed: int) -> Iterator[str]:
    """The libraries, each line a Python literal; a generator that draws players as it goes."""
    yield from _with_malformed(_whole_library_lines(process, shop, seed))


def _whole_library_lines(process: SampleProcess, shop: Shop, seed: int) -> Iterator[str]:
    starts = range(0, process.size.players, PLAYERS_AT_ONCE)
    batch = partial(_batch_lines, process, shop, seed)
    cores = usable_cores() if len(starts) >= WORTH_PROCESSES else 1
    for lines in in_processes(batch, starts, cores) if cores > 1 else map(batch, starts):
        yield from lines


def _batch_lines(process: SampleProcess, shop: Shop, seed: int, start: int) -> list[str]:
    """The libraries of some players and of accounts beside them, which follow from where the batch starts."""
    owned = _Items(shop, process.size.unplayed_share)
    rng = np.random.default_rng([seed, 3, start])
    n_players = min(PLAYERS_AT_ONCE, process.size.players - start)
    account = start // PLAYERS_AT_ONCE * process.size.accounts(PLAYERS_AT_ONCE)
    lines: list[str] = []
    later: list[str] = []
    for played in played_games(rng, process, n_players):
        items = owned.of(rng, played)
        if items and account % MALFORMED_ITEM_EVERY == MALFORMED_ITEM_EVERY // 2:
            items.insert(int(rng.integers(len(items) + 1)), owned.malformed(rng, account))
        first, *second = _account_lines(rng, account, items, seed)
        lines.append(first)
        later += second
        account += 1
    return lines + later


def played_games(
    rng: np.random.Generator, process: SampleProcess, n_players: int
) -> Iterator[NDArray[np.int64]]:
    """What each account of a batch really plays, in order: players, visitors and idle ones mixed."""
    visits = rng.integers(1, process.size.shortest, process.size.visitors(n_players))
    idle = np.zeros(process.size.idle(n_players), dtype=np.int64)
    lengths = np.concatenate([process.sample_lengths(rng, n_players), visits, idle])
    yield from process.sample_users(rng, rng.permutation(lengths))


class _Items:
    """Writes the items of a library."""

    def __init__(self, shop: Shop, unplayed_share: float) -> None:
        self._n_games, self._unplayed_share = len(shop.ids), unplayed_share
        self._heads = [
            f"{{'item_id': {item_id!r}, 'item_name': {title!r}, 'playtime_forever': "
            for item_id, title in zip(shop.ids, shop.titles, strict=True)
        ]

    def of(self, rng: np.random.Generator, played: NDArray[np.int64]) -> list[str]:
        """The games that were played, in their order, among games that were hardly touched."""
        unplayed = self._draw_unplayed(rng, played)
        games = np.empty(len(played) + len(unplayed), dtype=np.int64)
        minutes = np.empty_like(games)
        is_played = rng.permutation(len(games)) < len(played)
        games[is_played], games[~is_played] = played, unplayed
        minutes[is_played] = _draw_minutes(rng, len(played))
        minutes[~is_played] = np.maximum(0, rng.integers(-100, PLAYED_MINUTES + 1, len(unplayed)))
        recent = np.where(is_played & (rng.random(len(games)) < RECENT_SHARE), np.minimum(minutes, 900), 0)
        return [
            f"{self._heads[game]}{forever}, 'playtime_2weeks': {lately}}}"
            for game, forever, lately in zip(games.tolist(), minutes.tolist(), recent.tolist(), strict=True)
        ]

    def malformed(self, rng: np.random.Generator, account: int) -> str:
        """An item that cannot be an interaction."""
        head = self._heads[int(rng.integers(self._n_games))]
        kinds = (
            f"{head}None, 'playtime_2weeks': 0}}",
            f"{head}-1, 'playtime_2weeks': 0}}",
            "{'item_name': 'Unknown App', 'playtime_forever': 61, 'playtime_2weeks': 0}",
        )
        return kinds[account // MALFORMED_ITEM_EVERY % len(kinds)]

    def _draw_unplayed(self, rng: np.random.Generator, played: NDArray[np.int64]) -> NDArray[np.int64]:
        """Games that are not among those played: who plays nothing owns a few or none."""
        typical = self._unplayed_share * len(played) if len(played) else 6.0 * rng.integers(2)
        n = int(typical * rng.uniform(0.3, 1.7))
        drawn = rng.permutation(self._n_games)
        return drawn[~np.isin(drawn, played)][:n]


def _draw_minutes(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Minutes of really played games, above the threshold [n]."""
    extra = rng.lognormal(np.log(MEDIAN_MINUTES), MINUTES_SPREAD, n)
    return PLAYED_MINUTES + 1 + np.minimum(extra, MOST_MINUTES).astype(np.int64)


def steam_id(account: int, seed: int) -> str:
    """The id of an account; an odd factor permutes the 32-bit numbers, so that each has its own."""
    return str(FIRST_STEAM_ID + (account * 2654435761 + seed) % 2**32)


def _account_lines(rng: np.random.Generator, account: int, items: list[str], seed: int) -> list[str]:
    """One line, or two where the library is split or its line repeated; both together say the same."""
    number = steam_id(account, seed)
    user_id, url = number, f"http://steamcommunity.com/profiles/{number}"
    if rng.random() < VANITY_SHARE:
        user_id = f"{pick(rng, _VANITY_FIRST)}{pick(rng, _VANITY_SECOND)}{account}"
        url = f"http://steamcommunity.com/id/{user_id}"

    def line(part: Sequence[str]) -> str:
        return (
            f"{{'user_id': {user_id!r}, 'items_count': {len(part)}, 'steam_id': {number!r}, "
            f"'user_url': {url!r}, 'items': [{', '.join(part)}]}}"
        )

    oddity = rng.random()
    if oddity < SPLIT_SHARE and len(items) > OVERLAP:
        cut = int(rng.integers(OVERLAP, len(items)))
        return [line(items[:cut]), line(items[cut - OVERLAP :])]
    return [line(items)] * (2 if SPLIT_SHARE <= oddity < SPLIT_SHARE + REPEATED_SHARE else 1)


def game_fields(rng: np.random.Generator, shop: Shop, game: int) -> dict[str, object]:
    """One game of the catalogue, most keys optional. Newer app ids tend to be released later."""
    title, item_id, theme = shop.titles[game], shop.ids[game], theme_of(int(shop.groups[game]))
    slug = "".join(letter for letter in title if letter.isalnum() or letter == " ").replace(" ", "_")
    maker = pick(rng, _MAKERS)
    fields: dict[str, object] = {
        "publisher": maker if rng.random() < 0.6 else pick(rng, _MAKERS),
        "genres": list(theme.genres)
        + (["Indie"] if rng.random() < 0.3 and "Indie" not in theme.genres else []),
        "app_name": title,
        "title": title,
        "url": f"http://store.steampowered.com/app/{item_id}/{slug}/",
        "release_date": _release_date(rng, int(item_id)),
        "tags": [*theme.tags, *rng.permutation(_TAGS)[: rng.integers(0, 4)].tolist()],
        "reviews_url": f"http://steamcommunity.com/app/{item_id}/reviews/?browsefilter=mostrecent&p=1",
        "specs": ["Single-player", "Steam Achievements"][: int(rng.integers(1, 3))],
        "price": _price(rng),
        "early_access": bool(rng.random() < 0.06),
        "id": item_id,
        "developer": maker,
    }
    left_out = {key for key in _OPTIONAL if rng.random() < 0.06}
    return {key: value for key, value in fields.items() if key not in left_out}


def _price(rng: np.random.Generator) -> float | str:
    if rng.random() < 0.1:
        return pick(rng, ("Free to Play", "Free To Play", "Free"))
    return (0.99, 2.99, 4.99, 6.99, 9.99, 14.99, 19.99, 29.99, 39.99, 59.99)[int(rng.integers(10))]


def _release_date(rng: np.random.Generator, app_id: int) -> str:
    day = np.datetime64("2004-01-01") + int(app_id / 600_000 * 5400 + rng.normal(0, 300))
    date = np.clip(day, np.datetime64("1998-11-19"), np.datetime64("2018-11-14")).item()
    return f"{date:%b %Y}" if rng.random() < 0.03 else f"{date:%Y-%m-%d}"


def _python2(value: object) -> str:
    """What Python 2's `repr` writes for a value of texts, numbers, lists and dicts."""
    if isinstance(value, str):
        return f"u{value!a}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_python2(key)}: {_python2(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_python2, value)) + "]"
    return repr(value)


def _with_malformed(lines: Iterator[str]) -> Iterator[str]:
    """The lines, and before one in many something that is no literal: a line cut short or an error page."""
    for i, line in enumerate(lines):
        if i % MALFORMED_LINE_EVERY == MALFORMED_LINE_EVERY // 2:
            cut_short = i // MALFORMED_LINE_EVERY % 2 == 0
            yield line[: 2 * len(line) // 3] if cut_short else "<html><title>Too Many Requests</title></html>"
        yield line


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write lines aside, compressed without name and time, and rename the file when it is whole."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    with (
        unfinished.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as stream,
    ):
        for line in lines:
            stream.write(line.encode() + b"\n")
        stream.flush()
    unfinished.replace(path)


_OPTIONAL = ("publisher", "genres", "title", "release_date", "tags", "specs", "price", "developer")
_TAGS = (
    "Great Soundtrack",
    "Funny",
    "2D",
    "Colorful",
    "Female Protagonist",
    "Moddable",
    "Short",
    "Retro",
    "1990's",
)
_MAKERS = (
    "Kettle & Sons",
    "Ninth Lantern",
    "Studio Pamplemousse",
    "Badger's Attic",
    "Paper Submarine",
    "Fjordlight",
    "Two Left Gloves",
    "Öresund Interactive",
    'Team "Almost Done"',
    "Quince Works",
)
_VANITY_FIRST = ("sleepy", "captain", "the_real_", "turbo", "lord", "mild", "xX", "cosmic", "salty", "quiet")
_VANITY_SECOND = (
    "otter",
    "biscuit",
    "wizard",
    "noodle",
    "falcon",
    "potato",
    "knight",
    "moth",
    "walrus",
    "lemon",
)
