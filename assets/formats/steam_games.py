"""Reads the Steam catalogue: a gzip file of lines, each a Python 2 literal of a game with optional keys."""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assets.formats.gunzip import chunks_of_lines
from assets.formats.literals import Quarantined, RefusedError, is_text, literal, quarantined


@dataclass(frozen=True)
class CatalogueGame:
    """One game. `price` in US dollars as the store showed it, 0.0 where it is free, None where unknown."""

    item_id: str
    title: str | None
    genres: list[str]
    tags: list[str]
    price: float | None
    release_date: str | None
    early_access: bool


@dataclass
class Catalogue:
    """A file of games, read to its end. Of games with one id the first is kept; the others are `repeats`."""

    games: dict[str, CatalogueGame] = field(default_factory=dict)
    quarantine: list[Quarantined] = field(default_factory=list)
    lines_read: int = 0
    repeats: int = 0


def read_games(path: Path) -> Catalogue:
    """Read a gzip file of games. Raises DamagedFileError where it cannot be decompressed to its end."""
    catalogue = Catalogue()
    for chunk in chunks_of_lines(path):
        for _, game in read_chunk(chunk, catalogue.lines_read + 1):
            catalogue.lines_read += 1
            if isinstance(game, Quarantined):
                catalogue.quarantine.append(game)
                continue
            catalogue.repeats += game.item_id in catalogue.games
            catalogue.games.setdefault(game.item_id, game)
    return catalogue


def read_chunk(chunk: bytes, first_line: int) -> Iterator[tuple[int, CatalogueGame | Quarantined]]:
    """The number of each line, and its game or why it is none."""
    for line, text in enumerate(chunk.removesuffix(b"\n").split(b"\n"), first_line):
        try:
            yield line, _game(literal(text))
        except RefusedError as refused:
            yield line, quarantined(line, None, refused, text)


def _title(value: object) -> str | None:
    """A title as people read it: the store's pages were scraped with some of their HTML escapes."""
    text = _text(value)
    return html.unescape(text) if text else text


def _game(value: object) -> CatalogueGame:
    if not isinstance(value, dict):
        raise RefusedError("not a game")
    item_id = value.get("id")
    if not is_text(item_id) or not item_id:
        raise RefusedError("a game without an id")
    return CatalogueGame(
        item_id=item_id,
        title=_title(value.get("title")) or _title(value.get("app_name")),
        genres=_texts(value.get("genres")),
        tags=_texts(value.get("tags")),
        price=_price(value.get("price")),
        release_date=_text(value.get("release_date")),
        early_access=value.get("early_access") is True,
    )


def _price(value: object) -> float | None:
    """A number as it is; a text that says that the game is free ("Free to Play") is 0, any other unknown."""
    if isinstance(value, str):
        return 0.0 if "free" in value.casefold() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e6 else None


def _text(value: object) -> str | None:
    return value if is_text(value) and value else None


def _texts(value: object) -> list[str]:
    return [text for text in value if is_text(text)] if isinstance(value, list) else []
