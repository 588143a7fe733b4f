"""Raw files like the real one: sizes, names with apostrophes, playtimes and popularity as measured in it."""

import gzip
import io
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

REAL_LINES, REAL_ITEMS = 88_310, 5_150_000
PART_ITEMS = 1_000_000  # of a large file; a part is drawn and compressed by one process, as one gzip member


@dataclass(frozen=True)
class Store:
    """The games that libraries are drawn from."""

    heads: list[str]  # the beginning of an item of each game
    cumulated: Any  # [games], popularity summed up, to 1

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Store":
        heads = _games(rng)
        rank = np.arange(len(heads))
        popularity = rng.permutation(np.exp(-rank / 2000) / (rank + 30.0) ** 0.9)
        return cls(heads, np.cumsum(popularity / popularity.sum()))


def write_raw_file(path: Path, lines: int, seed: int = 1) -> None:
    """Libraries in the format of the real file, streamed to the disk."""
    rng = np.random.default_rng(seed)
    store = Store.drawn(rng)
    with gzip.open(path, "wb", compresslevel=6) as out:
        _write_libraries(out, store, rng, lines)


def write_large_raw_file(path: Path, items: int, seed: int = 1) -> None:
    """About so many items, in parts drawn apart from each other, by as many processes as there are cores."""
    aside = path.with_suffix(".unfinished")
    with ProcessPoolExecutor(os.cpu_count()) as pool, aside.open("wb") as out:
        parts = round(items / PART_ITEMS)
        for member in pool.map(_part, [(seed, part) for part in range(parts)]):
            out.write(member)
    aside.replace(path)


def _part(seeds: tuple[int, int]) -> bytes:
    text = io.BytesIO()
    store = Store.drawn(np.random.default_rng(seeds[0]))
    with gzip.open(text, "wb", compresslevel=6) as out:
        lines = round(REAL_LINES / REAL_ITEMS * PART_ITEMS)
        _write_libraries(out, store, np.random.default_rng(seeds), lines)
    return text.getvalue()


def _write_libraries(out: IO[bytes], store: Store, rng: np.random.Generator, lines: int) -> None:
    for line in _library_lines(store, rng, lines):
        out.write(line)


def _library_lines(store: Store, rng: np.random.Generator, lines: int) -> Iterator[bytes]:
    users = 76_561_197_960_265_728 + rng.choice(400_000_000, lines, replace=False)
    repeated = rng.choice(lines, lines // 128, replace=False)  # users that appear more than once
    users[repeated] = users[rng.choice(lines, len(repeated))]
    heads, cumulated = store.heads, store.cumulated
    for user, size in zip(users.tolist(), _sizes(rng, lines, len(heads)).tolist(), strict=True):
        games = np.unique(np.searchsorted(cumulated, rng.random(int(size * 1.3))))
        games = np.sort(rng.permutation(games)[:size])
        played = np.where(rng.random(len(games)) < 0.36, 0, rng.lognormal(5.3, 2.0, len(games))).astype(int)
        recent = np.where(rng.random(len(games)) < 0.02, played // 9, 0)
        items = "}, ".join(
            f"{heads[game]}{minutes}, 'playtime_2weeks': {last}"
            for game, minutes, last in zip(games.tolist(), played.tolist(), recent.tolist(), strict=True)
        )
        yield (
            f"{{'user_id': '{user}', 'items_count': {len(games)}, 'steam_id': '{user}', "
            f"'user_url': 'http://steamcommunity.com/profiles/{user}', "
            f"'items': [{items}{'}' if items else ''}]}}\n".encode()
        )


def _sizes(rng: np.random.Generator, lines: int, n_games: int) -> Any:
    """Items a line: a fifth of the libraries are empty, the others log-normal, 58 on average over all."""
    sizes = rng.lognormal(3.4, 1.25, lines) * (rng.random(lines) > 0.19)
    wanted = REAL_ITEMS / REAL_LINES * lines * 1.058  # what is drawn twice counts once
    return np.minimum(np.ceil(sizes * (wanted / sizes.sum())), n_games * 0.6).astype(int)


def _games(rng: np.random.Generator) -> list[str]:
    """The beginning of an item of each of 10,978 games; some names hold an apostrophe."""
    syllables = [
        "ra",
        "do",
        "mi",
        "ka",
        "shi",
        "ton",
        "ver",
        "lin",
        "gar",
        "dus",
        "pol",
        "ix",
        "eth",
        "wy",
        "mor",
    ]
    heads = []
    for item_id in np.sort(rng.choice(np.arange(10, 530_720, 10), 10_978, replace=False)).tolist():
        words = [
            "".join(rng.choice(syllables, rng.integers(1, 4))).capitalize() for _ in range(rng.integers(1, 5))
        ]
        kind = rng.random()
        if kind < 0.02:
            words[0] += "'s"
        elif kind < 0.08:
            words[-1] += "™"
        elif kind < 0.081:
            words[-1] += "\\"
        heads.append(f"{{'item_id': '{item_id}', 'item_name': {' '.join(words)!r}, 'playtime_forever': ")
    return heads
