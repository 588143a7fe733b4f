"""Reads the libraries of Steam players: a gzip file of lines, each a Python literal.

`ast.literal_eval` reads them right and slowly. A library is regular enough to be read by cutting: from the
opening of its list of items, a line is `{HEAD, 'playtime_forever': TAIL}, {HEAD, ...}]}`. The same heads (id
and name of a game) and tails (two numbers) come again and again, so each distinct piece is proven once, by a
regular expression that admits nothing but whole tokens. A line whose pieces are all proven is a derivation in
Python's grammar, and as a text has only one, the cut is what `ast.literal_eval` would have found, whatever a
name contains. A line with any other piece goes to `ast.literal_eval` as a whole.

What cannot be an interaction is quarantined with its reason. `items_read` does not come from the parser: it
counts opening braces (one per item, and one per library) or, in a line that went to `ast.literal_eval`, the
elements of its list. (Where a name holds a brace, the count and the rows of a proven line differ; that line
goes to `ast.literal_eval` too.) A line that is quarantined as a whole has no items that could be counted.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from assets.formats.growing import GrowingColumn
from assets.formats.gunzip import chunks_of_lines
from assets.formats.literals import Quarantined, RefusedError, is_text, literal, quarantined
from assets.formats.parallel import in_order

LARGEST_PLAYTIME = 2**31 - 1  # minutes; the tables hold 32 bits

_BETWEEN_ITEMS = "}, {"
_BEFORE_PLAYTIME = ", 'playtime_forever': "

_PLAIN = rb"'[^'\\\r\n\0]*'|\"[^\"\\\r\n\0]*\""  # a text without escapes
_ESCAPED = rb"'(?:[^'\\\r\n\0]|\\[^\r\n\0])*'|\"(?:[^\"\\\r\n\0]|\\[^\r\n\0])*\""
_NUMBER = rb"0|[1-9][0-9]{0,8}"  # Python forbids leading zeros; nine digits fit into 32 bits
_PREFIX = re.compile(
    rb"\{'user_id': (?:%(text)s), 'items_count': (?:%(number)s), 'steam_id': '([^'\\\r\n\0]+)', "
    rb"'user_url': (?:%(text)s), 'items': \[" % {b"text": _PLAIN, b"number": _NUMBER}
)
_HEAD = re.compile(rb"'item_id': '([^'\\\r\n\0]+)', 'item_name': (%b)" % _ESCAPED)
_TAIL = re.compile(rb"(%(number)b), 'playtime_2weeks': (?:%(number)b)" % {b"number": _NUMBER})

Game = tuple[str, str | None]  # item id, name
Span = tuple[int, int]  # where a stretch of a chunk begins and ends
UNPROVEN = -1


@dataclass
class Libraries:
    """Libraries as read, line by line. Rows are the accepted items in the order of the text."""

    owners: list[str | None] = field(default_factory=list)  # [lines], steam_id; None: quarantined
    sizes: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # [lines], rows of each
    game: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # [rows], index into games
    playtime: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # [rows], minutes
    games: list[Game] = field(default_factory=list)  # each id and name met, once
    quarantine: list[Quarantined] = field(default_factory=list)
    lines_read: int = 0
    items_read: int = 0
    lines_forgotten: int = 0
    items_forgotten: int = 0


def read_libraries(path: Path, chunk_bytes: int = 1 << 24, spill: Path | None = None) -> Libraries:
    """Read a gzip file of libraries; with a folder `spill` the rows lie there and not in memory.

    Raises DamagedFileError where the file cannot be decompressed to its end.
    """
    return _joined(in_order(read_chunk, chunks_of_lines(path, chunk_bytes)), spill)


def _joined(parts: Iterable[Libraries], spill: Path | None) -> Libraries:
    """Parts of a file as one, lines and games numbered through."""
    whole, numbers = Libraries(), dict[Game, int]()
    sizes, games, playtimes = [whole.sizes], GrowingColumn(spill), GrowingColumn(spill)
    for part in parts:
        game = _int32(numbers.setdefault(game, len(numbers)) for game in part.games)
        sizes.append(part.sizes)
        games.append(game[part.game])
        playtimes.append(part.playtime)
        before = len(whole.owners)
        whole.quarantine += [replace(entry, line=entry.line + before) for entry in part.quarantine]
        whole.owners += part.owners
        whole.lines_read += part.lines_read
        whole.items_read += part.items_read
    whole.games = list(numbers)
    whole.sizes, whole.game, whole.playtime = np.concatenate(sizes), games.whole(), playtimes.whole()
    return whole


def read_chunk(chunk: bytes) -> Libraries:
    """The libraries of some whole lines."""
    lines = _spans(chunk)
    part = Libraries(lines_read=chunk.count(b"\n") + (not chunk.endswith(b"\n")))
    part.owners, bodies = _open(chunk, lines)
    numbers: dict[Game, int] = {}
    rows = _proven_rows(chunk, bodies, numbers)
    unproven = set(range(len(lines))) - bodies.keys()

    def items_in(chosen: Iterable[int]) -> int:
        return sum(chunk.count(b"{", *lines[i]) - 1 for i in chosen)

    part.items_read = chunk.count(b"{") - len(lines) - items_in(unproven)
    if part.items_read != len(rows.line):
        found = np.bincount(rows.line, minlength=len(lines))
        miscounted = {i for i in bodies if items_in([i]) != found[i]}
        part.items_read -= items_in(miscounted)
        rows = rows.take(~np.isin(rows.line, list(miscounted)))
        unproven |= miscounted
    if unproven:
        texts = {i: chunk[slice(*lines[i])] for i in sorted(unproven)}
        rows = Rows.joined(rows, Rows.of(_read_literals(texts, part, numbers)))
    part.sizes = np.bincount(rows.line, minlength=len(lines)).astype(np.int32)
    part.game, part.playtime, part.games = rows.game, rows.playtime, list(numbers)
    return part


@dataclass(frozen=True)
class Rows:
    """Accepted items of a chunk: parallel arrays of int32, ordered by line."""

    line: NDArray[np.int32]  # counted from 0 within the chunk
    game: NDArray[np.int32]
    playtime: NDArray[np.int32]  # minutes

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> "Rows":
        return Rows(self.line[rows], self.game[rows], self.playtime[rows])

    @classmethod
    def joined(cls, one: "Rows", other: "Rows") -> "Rows":
        both = ((one.line, other.line), (one.game, other.game), (one.playtime, other.playtime))
        rows = cls(*map(np.concatenate, both))
        return rows.take(np.argsort(rows.line, kind="stable"))

    @classmethod
    def of(cls, rows: Sequence[tuple[int, int, int]]) -> "Rows":
        return cls(*np.array(rows, dtype=np.int32).reshape(-1, 3).T)


def _int32(numbers: Iterable[int]) -> NDArray[np.int32]:
    return np.fromiter(numbers, dtype=np.int32)


def _spans(chunk: bytes) -> list[Span]:
    """Where each line begins and ends, its line end left out."""
    spans, start = [], 0
    while (end := chunk.find(b"\n", start)) >= 0:
        spans.append((start, end))
        start = end + 1
    return [*spans, (start, len(chunk))] if start < len(chunk) else spans


def _open(chunk: bytes, lines: Sequence[Span]) -> tuple[list[str | None], dict[int, Span]]:
    """The owner of each line that opens and closes as a library does, and where its items stand."""
    owners: list[str | None] = [None] * len(lines)
    bodies: dict[int, Span] = {}
    for i, (start, end) in enumerate(lines):
        opening = _PREFIX.match(chunk, start, end)
        if opening is None:
            continue
        body = opening.end(), end - len(b"]}")
        empty = body[0] == body[1]
        if not chunk.endswith(b"[]}" if empty else b"}]}", start, end):
            continue
        if not empty and not chunk.startswith(b"{", body[0]):
            continue
        try:
            opening[0].decode()
            owners[i] = opening[1].decode()
        except UnicodeDecodeError:
            continue
        bodies[i] = body
    return owners, bodies


def _proven_rows(chunk: bytes, bodies: dict[int, Span], numbers: dict[Game, int]) -> Rows:
    """The rows of the lines whose every piece is proven; the other lines are removed from `bodies`."""
    while True:
        rows, refused = _cut(chunk, {i: body for i, body in bodies.items() if body[0] < body[1]}, numbers)
        if not refused:
            return rows
        for i in refused:
            del bodies[i]


def _cut(chunk: bytes, bodies: dict[int, Span], numbers: dict[Game, int]) -> tuple[Rows, Collection[int]]:
    """The rows of some lines, or no rows and those of the lines that hold an unproven piece."""
    items = pc.split_pattern(_stretches(chunk, bodies.values()), _BETWEEN_ITEMS)
    line = np.repeat(_int32(bodies), np.diff(items.offsets.to_numpy()))  # [items]
    halves = pc.split_pattern(items.flatten(), _BEFORE_PLAYTIME)
    in_two = np.diff(halves.offsets.to_numpy()) == 2
    if not in_two.all():
        return Rows.of([]), set(line[~in_two].tolist())

    pieces = halves.flatten().dictionary_encode()
    piece = pieces.indices.to_numpy()  # [2 * items]: head, tail, head, tail, ...
    proofs = list(map(_proven, pieces.dictionary.to_pylist()))
    games = [numbers.setdefault(p, len(numbers)) if isinstance(p, tuple) else UNPROVEN for p in proofs]
    minutes = [p if isinstance(p, int) else UNPROVEN for p in proofs]
    rows = Rows(line, _int32(games)[piece[0::2]], _int32(minutes)[piece[1::2]])
    unproven = (rows.game == UNPROVEN) | (rows.playtime == UNPROVEN)
    if unproven.any():
        return Rows.of([]), set(line[unproven].tolist())
    return rows, ()


def _stretches(chunk: bytes, bodies: Iterable[Span]) -> pa.Array:
    """The bodies without their outer braces, as a column over the chunk's own memory."""
    cuts = [0, *(cut for start, end in bodies for cut in (start + 1, end - 1)), len(chunk)]
    offsets = pa.py_buffer(np.array(cuts, dtype=np.int32))
    column = pa.Array.from_buffers(pa.binary(), len(cuts) - 1, [None, offsets, pa.py_buffer(chunk)])
    return column.take(np.arange(1, len(cuts) - 1, 2))  # every second: the others lie between the bodies


@lru_cache(maxsize=1 << 19)
def _proven(piece: bytes) -> Game | int | None:
    """The game of a head, the minutes of a tail, None for a piece of any other form."""
    if tail := _TAIL.fullmatch(piece):
        return int(tail[1])
    head = _HEAD.fullmatch(piece)
    if head is None:
        return None
    try:
        item_id, token = head[1].decode(), head[2].decode()
        name = literal(token) if "\\" in token else token[1:-1]
    except (UnicodeDecodeError, RefusedError):
        return None
    return (item_id, name) if is_text(name) else None


def _read_literals(
    texts: Mapping[int, bytes], part: Libraries, numbers: dict[Game, int]
) -> list[tuple[int, int, int]]:
    """The accepted rows (line, game, playtime) of lines of any layout, given by their places in the chunk."""
    rows = []
    for line, text in texts.items():
        part.owners[line] = None
        try:
            part.owners[line], items = _library(literal(text))
        except RefusedError as refused:
            part.quarantine.append(quarantined(line + 1, None, refused, text))
            continue
        part.items_read += len(items)
        for place, item in enumerate(items):
            try:
                game, playtime = _item(item)
            except RefusedError as refused:
                part.quarantine.append(quarantined(line + 1, place, refused, item))
                continue
            rows.append((line, numbers.setdefault(game, len(numbers)), playtime))
    return rows


def _library(value: object) -> tuple[str, list[object]]:
    if not isinstance(value, dict):
        raise RefusedError("not a library")
    owner, items = value.get("steam_id"), value.get("items")
    if not is_text(owner) or not owner:
        raise RefusedError("a library without a steam_id")
    if not isinstance(items, list):
        raise RefusedError("a library without a list of items")
    return owner, items


def _item(value: object) -> tuple[Game, int]:
    if not isinstance(value, dict):
        raise RefusedError("not an item")
    item_id, name, playtime = value.get("item_id"), value.get("item_name"), value.get("playtime_forever")
    if not is_text(item_id) or not item_id:
        raise RefusedError("an item without an id")
    if type(playtime) is not int:  # True is no playtime
        raise RefusedError("a playtime that is no whole number")
    if playtime < 0:
        raise RefusedError("a negative playtime")
    if playtime > LARGEST_PLAYTIME:
        raise RefusedError("a playtime that is too large")
    return (item_id, name if is_text(name) else None), playtime
