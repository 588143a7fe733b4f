"""Which column of a file is which: by its name, by NEXTPLAY_COLUMNS, or by a name that is common."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import partial

from models.bundle.ids import trimmed

# Other names of our columns, in small letters and without blanks, hyphens, points and underscores.
COMMON: Mapping[str, tuple[str, ...]] = {
    "user_id": (
        "user", "uid", "username", "usr", "customerid", "customer", "visitorid", "visitor", "memberid",
        "member", "accountid", "account", "playerid", "player", "steamid", "reviewerid", "reviewer",
        "clientid", "personid", "profileid", "buyerid", "shopperid", "listenerid", "sessionid", "session",
    ),
    "item_id": (
        "item", "iid", "productid", "product", "movieid", "movie", "filmid", "asin", "parentasin", "gameid",
        "game", "appid", "songid", "trackid", "artistid", "bookid", "isbn", "sku", "articleid", "article",
        "contentid", "videoid", "newsid", "stockcode", "businessid", "recipeid", "courseid",
    ),
    "timestamp": (
        "time", "ts", "date", "datetime", "eventtime", "eventtimestamp", "eventdate", "unixtime",
        "unixtimestamp", "unixreviewtime", "createdat", "playedat", "purchasedate", "invoicedate",
        "orderdate", "epoch",
    ),
    "title": (
        "name", "itemname", "itemtitle", "productname", "producttitle", "gamename", "appname", "movietitle",
    ),
    "genres": ("genre",),
    "tags": ("tag",),
}  # fmt: skip
_KIND = re.compile(r":(?:token|float)(?:_seq)?$")  # behind the names of RecBole's files
ONLY_OF_ITEMS = {"item_id": ("id",)}  # where no other name fits: in a file of plays it may be the id of a row


class ColumnError(Exception):
    """A file of rows lacks a column, or is none; the message says what was found instead."""


class LackingError(ColumnError):
    """A file of rows lacks columns. `names` are its own, in our names where there are such."""

    def __init__(
        self, told: str, names: Sequence[str], required: Sequence[str], given: Mapping[str, str]
    ) -> None:
        super().__init__(told)
        self.missing = [name for name in required if name not in names]
        self._given = {ours: name for ours, name in given.items() if ours in names}
        self._free = [name for name in names if name and name not in required]

    def example(self) -> str:
        """How NEXTPLAY_COLUMNS would name the columns; with the file's own names where as many are free."""
        sure = len(self._free) == len(self.missing) and not any(name[:1].isdigit() for name in self._free)
        named = self._free if sure else ["…"] * len(self.missing)
        said = json.dumps(self._given | dict(zip(self.missing, named, strict=True)), ensure_ascii=False)
        return f"NEXTPLAY_COLUMNS='{said}'"

    def may_describe_items(self) -> bool:
        """Whether it is a file of plays that is required, and one of items that is there."""
        return self.missing == ["user_id", "timestamp"]


@dataclass(frozen=True)
class Naming:
    """How the columns of a file are called. `given` is the file's name of a column by ours.

    Without `common` a column has to have our name.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    common: bool = False
    of_items: bool = False

    def renamed(
        self, header: Sequence[str], required: Sequence[str], optional: Sequence[str] = ()
    ) -> list[str]:
        """The header with our names where columns are ours.

        Raises ColumnError where several columns may be one that is required.
        """
        found, names = [trimmed(name) for name in header], [trimmed(name) for name in header]
        for ours in [*required, *optional]:
            place = self._place(found, ours, ours in required)
            if place is not None and found[place] != ours:
                names = ["" if name == ours else name for name in names]  # a column that another is named for
                names[place] = ours
        return names

    def _place(self, header: Sequence[str], ours: str, is_required: bool) -> int | None:
        if (named := self.given.get(ours)) is not None:
            places = _alike(header, named)
            return places[0] if places else _first(header, ours)
        if ours in header or not self.common:
            return _first(header, ours)
        taken = {place for named in self.given.values() for place in _alike(header, named)}
        last = ONLY_OF_ITEMS.get(ours, ()) if self.of_items else ()
        for others in ((plain(ours),), COMMON.get(ours, ()), last):
            places = [i for i, name in enumerate(header) if plain(name) in others and i not in taken]
            if len(places) == 1:
                return places[0]
            if places:
                if is_required:
                    raise ColumnError(_several(ours, [header[i] for i in places]))
                return None
        return None


EXACTLY = Naming()


def told(header: Sequence[str], names: Sequence[str], wanted: Collection[str]) -> list[str]:
    """In words, the columns of those wanted that go by another name in a file."""
    return [
        f"{ours} is its column '{trimmed(name)}'"
        for name, ours in zip(header, names, strict=True)
        if ours in wanted and ours != trimmed(name)
    ]


def unsure(header: Sequence[str], names: Sequence[str], wanted: Collection[str]) -> list[str]:
    """In words, the columns of those wanted that several of a file may be, so that none is taken."""
    return [
        f"{ours} may be its column {' or '.join(map(repr, places))}: say which with NEXTPLAY_COLUMNS"
        for ours in wanted
        if ours not in names
        and len(places := [name for name in map(trimmed, header) if plain(name) in COMMON.get(ours, ())]) > 1
    ]


def lacking(header: Sequence[str], required: Sequence[str], naming: Naming = EXACTLY) -> LackingError:
    """What is said of a file that has some columns and lacks required ones."""
    columns = [name for name in map(trimmed, header) if name]
    names = naming.renamed(header, required)
    error = partial(LackingError, names=names, required=required, given=naming.given)
    found = f"its columns are {(', '.join(columns[:20]) or 'none')[:300]}"
    for ours in required:
        if (named := naming.given.get(ours)) and not is_there(named, columns):
            close = nearest(named, columns)
            return error(f"has no column '{named}', which NEXTPLAY_COLUMNS names as {ours}{close}; {found}")
    *others, last = [f"'{name}'" for name in required if name not in names]
    missing = f"columns {', '.join(others)} and {last}" if others else f"column {last}"
    return error(f"has no {missing}; {found}")


def nearest(name: str, names: Sequence[str]) -> str:
    """`(did you mean …?)` where a name is much like another, else nothing."""
    by_plain = {plain(known): known for known in names}
    close = get_close_matches(plain(name), list(by_plain), 1)
    return f" (did you mean '{by_plain[close[0]]}'?)" if close else ""


def is_there(name: str, header: Sequence[str]) -> bool:
    """Whether a column that somebody named is in a header."""
    return bool(_alike(header, name))


def _several(ours: str, columns: Sequence[str]) -> str:
    said = json.dumps({ours: columns[0]}, ensure_ascii=False)
    named = " and ".join(f"'{name}'" for name in columns)
    say = f"say which, as NEXTPLAY_COLUMNS='{said}' does"
    return f"has {len(columns)} columns that may be {ours}, {named}: {say}"


def _alike(header: Sequence[str], name: str) -> list[int]:
    """The column of that name, else the only one that differs in blanks and capitals."""
    if trimmed(name) in header:
        return [header.index(trimmed(name))]
    places = [i for i, other in enumerate(header) if plain(other) == plain(name)]
    return places if len(places) == 1 else []


def _first(header: Sequence[str], name: str) -> int | None:
    return header.index(name) if name in header else None


def plain(name: str) -> str:
    """A name without what people write in several ways: capitals, blanks, hyphens, points and underscores."""
    bare = _KIND.sub("", trimmed(name).casefold())
    return "".join(sign for sign in bare if sign not in " _-.")
