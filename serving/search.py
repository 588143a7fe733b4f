"""Finds items by what people type: first titles that hold the words, then titles that look alike."""

import unicodedata
from bisect import bisect_right

import numpy as np
from rapidfuzz import fuzz, process

from models.bundle.bundle import PADDING, ItemTable

ALIKE = 70.0  # of 100, rapidfuzz's weighted ratio
MOST_COMPARED = 50_000  # titles, the most played ones: a comparison costs microseconds
MOST_SKIPPED = 10_000  # titles that hold the first word without the others


class TitleSearch:
    """Titles by popularity, in one text, so that words are found without a loop over the catalogue."""

    def __init__(self, items: ItemTable) -> None:
        order = np.argsort(-items.counts, kind="stable")
        self._order: list[int] = order[order != PADDING].tolist()
        self._titles = [_plain(items.titles[i]) for i in self._order]
        self._starts = np.cumsum([0, *(len(title) + 2 for title in self._titles)]).tolist()
        self._text = "".join(f"\n {title}" for title in self._titles)

    def find(self, query: str, limit: int) -> list[int]:
        """Item indexes, best first: titles with words that begin like those of the query, most played first;
        then titles that look like it."""
        query = _plain(query)
        if not query:
            return []
        places = self._with_words(query, limit)
        if len(places) < limit and len(query) > 2:
            compared = self._titles[:MOST_COMPARED]
            alike = process.extract(
                query, compared, scorer=fuzz.WRatio, score_cutoff=ALIKE, limit=limit + len(places)
            )
            places += [place for _, _, place in alike if place not in places]
        return [self._order[place] for place in places[:limit]]

    def _with_words(self, query: str, limit: int) -> list[int]:
        first, *others = (f" {word}" for word in query.split())
        found: list[int] = []
        at = self._text.find(first)
        for _ in range(MOST_SKIPPED):
            if at < 0 or len(found) == limit:
                break
            place = bisect_right(self._starts, at) - 1
            if all(word in f" {self._titles[place]}" for word in others):
                found.append(place)
            at = self._text.find(first, self._starts[place + 1])
        return found


_ASCII_SIGNS = {code: " " for code in range(128) if not chr(code).isalnum()} | {ord("'"): None}


def _plain(text: str) -> str:
    """Lower case, without accents, signs and repeated spaces: what people type."""
    if text.isascii():  # nearly all titles, ten times as fast
        return " ".join(text.casefold().translate(_ASCII_SIGNS).split())
    letters = unicodedata.normalize("NFKD", text.replace("™", "").replace("®", "").casefold())
    kept = (c if c.isalnum() else " " for c in letters if not unicodedata.combining(c) and c not in "'’")
    return " ".join("".join(kept).split())
