"""The reader of Steam libraries equals `ast.literal_eval` on all that it accepts, and loses nothing."""

import ast
import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.formats import steam_format
from assets.formats.gunzip import DamagedFileError, chunks_of_lines
from assets.formats.steam_format import Libraries, read_libraries
from assets.formats.steam_games import read_games

STEAM = Path(__file__).parents[4] / "shared" / "data" / "steam"
REAL_LIBRARIES = STEAM / "australian_users_items.part.json.gz"
REAL_GAMES = STEAM / "steam_games.json.gz"
needs_real_data = pytest.mark.skipif(not REAL_LIBRARIES.exists(), reason="the shared data are not here")

Row = tuple[int, str, str | None, int]  # line, item id, name, playtime

SYNTAX = [
    "'", '"', "\\", "\\'", '\\"', "{", "}", "}, {", "]}", "[]}", "\n", "\r", "\t", "\0", "\\n", "\\x00",
    "\\ud800", "#", "\'\'\'", "é", "™", "😀", "\u2028", "\x85", "\ufeff", "\x1a",
    "', 'playtime_forever': 3, '", ", 'playtime_forever': ", ", 'playtime_2weeks': 0}, {'item_id': '7', ",
    "{'item_id': ", "'items': [", "'item_name': ",
]  # fmt: skip
names = st.lists(st.one_of(st.sampled_from(SYNTAX), st.text(max_size=4)), max_size=4).map("".join)
playtimes = st.one_of(st.integers(0, 99), st.sampled_from([999_999_999, 1_000_000_000, 2**31 - 1, 2**31, -1]))


@st.composite
def libraries(draw: st.DrawFn) -> dict[str, Any]:
    items = st.fixed_dictionaries(
        {
            "item_id": st.one_of(st.integers(0, 99).map(str), names),
            "item_name": names,
            "playtime_forever": playtimes,
            "playtime_2weeks": st.integers(0, 99),
        }
    )
    owned = draw(st.lists(items, max_size=4))
    user = draw(st.one_of(st.integers(1, 99).map(str), names))
    url = draw(names)
    return {"user_id": user, "items_count": len(owned), "steam_id": user, "user_url": url, "items": owned}


def write(path: Path, lines: Sequence[bytes], end: bytes = b"\n") -> Path:
    path.write_bytes(gzip.compress(b"\n".join(lines) + (end if lines else b""), compresslevel=1))
    return path


def rows_of(libraries: Libraries) -> list[Row]:
    lines = np.repeat(np.arange(1, len(libraries.sizes) + 1), libraries.sizes)
    columns = zip(lines.tolist(), libraries.game.tolist(), libraries.playtime.tolist(), strict=True)
    return [(line, *libraries.games[game], playtime) for line, game, playtime in columns]


def storable(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def oracle(lines: Sequence[bytes]) -> tuple[list[str | None], list[Row], list[tuple[int, int | None]]]:
    """What `ast.literal_eval` alone finds: the owner of each line, the rows, where something is refused."""
    owners: list[str | None] = []
    rows: list[Row] = []
    refused: list[tuple[int, int | None]] = []
    for number, line in enumerate(lines, 1):
        try:
            value = ast.literal_eval(line.decode())
            owner, items = value["steam_id"], value["items"]
            usable = storable(owner) and owner and isinstance(items, list)
        except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
            usable = False
        owners.append(owner if usable else None)
        if not usable:
            refused.append((number, None))
            continue
        for place, item in enumerate(items):
            fields = item if isinstance(item, dict) else {}
            item_id, name, playtime = (fields.get(k) for k in ("item_id", "item_name", "playtime_forever"))
            right = storable(item_id) and item_id and type(playtime) is int and 0 <= playtime < 2**31
            if right:
                rows.append((number, item_id, name if storable(name) else None, playtime))
            else:
                refused.append((number, place))
    return owners, rows, refused


def agrees(path: Path, lines: Sequence[bytes], chunk_bytes: int) -> None:
    found = read_libraries(path, chunk_bytes, spill=path.parent)
    owners, rows, refused = oracle(lines)
    assert found.owners == owners
    assert rows_of(found) == rows
    assert sorted((q.line, -1 if q.item is None else q.item) for q in found.quarantine) == sorted(
        (line, -1 if item is None else item) for line, item in refused
    )
    accepted_lines = sum(owner is not None for owner in found.owners)
    assert found.lines_read == len(lines) == accepted_lines + sum(q.item is None for q in found.quarantine)
    assert found.items_read == len(rows) + sum(q.item is not None for q in found.quarantine)


quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.lists(libraries(), max_size=5), st.sampled_from([1, 200, 1 << 20]))
def test_hostile_names_are_read_as_python_reads_them(
    tmp_path: Path, values: list[dict[str, Any]], chunk_bytes: int
) -> None:
    lines = [repr(value).encode() for value in values]
    agrees(write(tmp_path / "x.gz", lines), lines, chunk_bytes)


fragments = [fragment.encode(errors="surrogatepass") for fragment in SYNTAX if "\n" not in fragment]


@settings(quick, max_examples=300)
@given(
    libraries(),
    st.lists(
        st.tuples(
            st.integers(0, 1000), st.integers(0, 3), st.sampled_from([b"", *fragments, b"\xff", b"0", b"-"])
        )
    ),
)
@example({"user_id": "1", "items_count": 0, "steam_id": "1", "user_url": "", "items": []}, [])
def test_a_line_with_anything_cut_out_or_put_in_is_read_as_python_reads_it(
    tmp_path: Path, value: dict[str, Any], edits: list[tuple[int, int, bytes]]
) -> None:
    line = repr(value).encode()
    for place, cut, put in edits:
        at = place % (len(line) + 1)
        line = line[:at] + put + line[at + cut :]
    lines = [line, repr(value).encode()]
    agrees(write(tmp_path / "x.gz", lines), lines, 1 << 20)


quoted = st.tuples(st.sampled_from([b"'", b'"']), st.lists(st.sampled_from(fragments), max_size=2)).map(
    lambda drawn: drawn[0] + b"".join(drawn[1]) + drawn[0]
)
text_tokens = st.one_of(
    st.just(b"'A'"), st.just(b"'A'"), quoted, st.sampled_from([b"'A' 'B'", b"'A', 'x': 'B'"])
)
number_tokens = st.sampled_from(
    [
        b"6",
        b"6",
        b"0",
        b"00",
        b"06",
        b"-6",
        b"1_0",
        b"0x6",
        b" 6",
        b"6 ",
        b"6.0",
        b"6j",
        b"6#",
        b"",
        b"9" * 9,
        b"9" * 10,
    ]
)


@settings(quick, max_examples=400)
@given(
    st.tuples(*[text_tokens] * 3), st.lists(st.tuples(text_tokens, text_tokens, number_tokens), max_size=3)
)
def test_tokens_of_any_form_are_read_as_python_reads_them(
    tmp_path: Path, texts: tuple[bytes, ...], items: list[tuple[bytes, bytes, bytes]]
) -> None:
    listed = b", ".join(
        b"{'item_id': %b, 'item_name': %b, 'playtime_forever': %b, 'playtime_2weeks': 0}" % item
        for item in items
    )
    line = b"{'user_id': %b, 'items_count': 2, 'steam_id': %b, 'user_url': %b, 'items': [%b]}" % (
        *texts,
        listed,
    )
    agrees(write(tmp_path / "x.gz", [line, line]), [line, line], 1 << 20)


ITEM = b"{'item_id': '10', 'item_name': %b, 'playtime_forever': %b, 'playtime_2weeks': 0}"
LINE = b"{'user_id': 'u', 'items_count': 2, 'steam_id': '7', 'user_url': 'x', 'items': [%b, %b]}"
GOOD = ITEM % (b"'A'", b"6")


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (b"{'item_name': 'A', 'playtime_forever': 6, 'playtime_2weeks': 0}", "an item without an id"),
        (b"{'item_id': '', 'item_name': 'A', 'playtime_forever': 6}", "an item without an id"),
        (b"{'item_id': 10, 'item_name': 'A', 'playtime_forever': 6}", "an item without an id"),
        (b"{'item_id': '\\ud800', 'item_name': 'A', 'playtime_forever': 6}", "an item without an id"),
        (ITEM % (b"'A'", b"-6"), "a negative playtime"),
        (ITEM % (b"'A'", b"6.5"), "a playtime that is no whole number"),
        (ITEM % (b"'A'", b"True"), "a playtime that is no whole number"),
        (ITEM % (b"'A'", b"'6'"), "a playtime that is no whole number"),
        (ITEM % (b"'A'", b"None"), "a playtime that is no whole number"),
        (ITEM % (b"'A'", b"2147483648"), "a playtime that is too large"),
        (ITEM % (b"'A'", b"0x" + b"f" * 5000), "a playtime that is too large"),
        (b"'A'", "not an item"),
        (b"{}", "an item without an id"),
    ],
)
def test_a_malformed_item_is_quarantined_and_the_others_are_kept(
    tmp_path: Path, item: bytes, reason: str
) -> None:
    found = read_libraries(write(tmp_path / "x.gz", [LINE % (GOOD, GOOD), LINE % (item, GOOD)]))
    assert rows_of(found) == [(1, "10", "A", 6), (1, "10", "A", 6), (2, "10", "A", 6)]
    (entry,) = found.quarantine
    assert (entry.line, entry.item, entry.reason) == (2, 0, reason)
    assert (found.lines_read, found.items_read) == (2, 4)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "not a Python literal"),
        (b"nonsense", "not a Python literal"),
        (LINE % (GOOD, b"") + b"}", "not a Python literal"),
        ((LINE % (GOOD, GOOD))[:-9], "not a Python literal"),
        (LINE % (GOOD, ITEM % (b"'A'", b"06")), "not a Python literal"),
        (b"[" * 100_000, "not a Python literal"),
        (b"{[]: 1}", "not a Python literal"),
        (LINE % (GOOD, ITEM % (b"'\xff'", b"6")), "not UTF-8"),
        (b"{'steam_id': '7'}", "a library without a list of items"),
        (b"{'steam_id': '7', 'items': {}}", "a library without a list of items"),
        (b"{'items': []}", "a library without a steam_id"),
        (b"{'steam_id': 7, 'items': []}", "a library without a steam_id"),
        (b"{'steam_id': '', 'items': []}", "a library without a steam_id"),
        (b"[1, 2]", "not a library"),
    ],
)
def test_a_malformed_line_is_quarantined_and_the_others_are_kept(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    good = LINE % (GOOD, GOOD)
    found = read_libraries(write(tmp_path / "x.gz", [good, line, good]))
    assert [row[0] for row in rows_of(found)] == [1, 1, 3, 3]
    (entry,) = found.quarantine
    assert (entry.line, entry.item, entry.reason) == (2, None, reason)
    assert entry.text == line.decode(errors="replace")[:2000]
    assert (found.lines_read, found.items_read) == (3, 4)
    assert found.owners == ["7", None, "7"]


def test_an_empty_library_is_a_line_without_items(tmp_path: Path) -> None:
    line = b"{'user_id': 'u', 'items_count': 0, 'steam_id': '7', 'user_url': 'x', 'items': []}"
    found = read_libraries(write(tmp_path / "x.gz", [line, line]))
    assert (found.owners, found.items_read, len(found.game), found.quarantine) == (["7", "7"], 0, 0, [])


def test_proven_lines_need_no_literal_eval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(text: object) -> object:
        raise AssertionError(f"literal_eval of {text!r}")

    monkeypatch.setattr(steam_format, "literal", never)
    lines = [
        LINE % (GOOD, ITEM % (name, b"0")) for name in (b"'B'", b'"Bob\'s"', b"'\"'", b"'}'", "'é'".encode())
    ]
    found = read_libraries(write(tmp_path / "x.gz", lines, end=b""))
    assert [row[2] for row in rows_of(found)][1::2] == ["B", "Bob's", '"', "}", "é"]
    assert not found.quarantine


def test_the_count_of_items_is_not_the_parsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that loses items is found out: the text holds more opening braces than it made rows."""
    real = steam_format._cut

    def losing(*arguments: Any) -> Any:
        rows, refused = real(*arguments)
        return rows.take(np.arange(len(rows.line)) % 2 > 0), refused

    monkeypatch.setattr(steam_format, "_cut", losing)
    found = read_libraries(write(tmp_path / "x.gz", [LINE % (GOOD, GOOD)] * 3))
    assert len(found.game) == found.items_read == 6  # the lines were read again, by literal_eval


@needs_real_data
def test_the_real_libraries_are_read_whole() -> None:
    found = read_libraries(REAL_LIBRARIES)
    assert (found.lines_read, found.items_read, len(found.game)) == (17_236, 263_561, 263_561)
    assert found.quarantine == []
    text = gzip.decompress(REAL_LIBRARIES.read_bytes()).split(b"\n")
    chosen = range(0, 17_236, 40)
    owners, rows, _ = oracle([text[i] for i in chosen])
    assert [found.owners[i] for i in chosen] == owners
    number = {i + 1: n for n, i in enumerate(chosen, 1)}
    assert [(number[row[0]], *row[1:]) for row in rows_of(found) if row[0] in number] == rows


# --- the gzip file itself


def test_members_and_padding_are_read_as_gzip_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"c\nd\n") + b"\0" * 8)
    assert b"".join(chunks_of_lines(path, 2)) == gzip.decompress(path.read_bytes()) == b"a\nbc\nd\n"


@given(st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"")), max_size=9), st.integers(1, 40))
@settings(quick, max_examples=50)
def test_chunks_are_whole_lines(tmp_path: Path, lines: list[bytes], chunk_bytes: int) -> None:
    path = write(tmp_path / "x.gz", lines)
    chunks = list(chunks_of_lines(path, chunk_bytes))
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    assert b"".join(chunks) == b"".join(line + b"\n" for line in lines)


@pytest.mark.parametrize(
    "damage", ["cut", "cut in the checksum", "changed", "not gzip", "empty", "rubbish after"]
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: str) -> None:
    line = LINE % (GOOD, GOOD)
    whole = gzip.compress(b"".join(b"%b # %d\n" % (line, i * i) for i in range(2000)))
    damaged = {
        "cut": whole[: len(whole) // 2],
        "cut in the checksum": whole[:-3],
        "changed": whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:],
        "not gzip": line * 9,
        "empty": b"",
        "rubbish after": whole + b"rubbish",
    }[damage]
    path = tmp_path / "x.gz"
    path.write_bytes(damaged)
    with pytest.raises(
        DamagedFileError, match=r"x\.gz is damaged after [\d,]+ decompressed bytes: .*\.$"
    ) as error:
        read_libraries(path)
    assert "\n" not in str(error.value)


# --- the catalogue


def games_of(path: Path, *lines: str) -> Any:
    return read_games(write(path / "g.gz", [line.encode() for line in lines]))


def test_a_game_has_typed_columns(tmp_path: Path) -> None:
    catalogue = games_of(
        tmp_path,
        "{u'id': u'10', u'app_name': u'A', u'title': u'It\\'s \\xe9', u'genres': [u'Indie'], "
        "u'tags': [u'x', 7], u'price': 4.99, u'release_date': u'2018-01-04', u'early_access': True}",
        "{u'id': u'20', u'app_name': u'Only &amp; this', u'early_access': False}",
    )
    first, second = catalogue.games.values()
    assert (first.title, first.genres, first.tags) == ("It's é", ["Indie"], ["x"])
    assert (first.price, first.release_date, first.early_access) == (4.99, "2018-01-04", True)
    assert (second.title, second.genres, second.tags, second.price) == ("Only & this", [], [], None)
    assert (second.release_date, second.early_access) == (None, False)


@pytest.mark.parametrize(
    ("price", "wanted"),
    [
        ("4.99", 4.99), ("0", 0.0), ("u'Free to Play'", 0.0), ("u'Play for Free!'", 0.0), ("u'FREE'", 0.0),
        ("u'Starting at $499.00'", None), ("u'Third-party'", None), ("True", None), ("None", None),
        ("-1", None), ("1e999", None), ("[]", None),
    ],
)  # fmt: skip
def test_a_price_is_a_number_zero_or_unknown(tmp_path: Path, price: str, wanted: float | None) -> None:
    assert games_of(tmp_path, f"{{'id': '1', 'price': {price}}}").games["1"].price == wanted


def test_games_without_an_id_are_quarantined_and_of_one_id_the_first_is_kept(tmp_path: Path) -> None:
    catalogue = games_of(
        tmp_path,
        "{'id': '1', 'title': 'A'}",
        "{'title': 'B'}",
        "{'id': '1', 'title': 'C'}",
        "{'id': 2}",
        "?",
        "3",
    )
    assert {item_id: game.title for item_id, game in catalogue.games.items()} == {"1": "A"}
    assert [(q.line, q.item, q.reason) for q in catalogue.quarantine] == [
        (2, None, "a game without an id"),
        (4, None, "a game without an id"),
        (5, None, "not a Python literal"),
        (6, None, "not a game"),
    ]
    assert (catalogue.lines_read, catalogue.repeats) == (6, 1)


@needs_real_data
@pytest.mark.slow
def test_the_real_catalogue_is_read_whole() -> None:
    catalogue = read_games(REAL_GAMES)
    assert (catalogue.lines_read, len(catalogue.games), catalogue.repeats) == (32_135, 32_132, 1)
    assert [q.reason for q in catalogue.quarantine] == ["a game without an id"] * 2
