"""The ids of forgotten users in texts: how they stand there, and texts without them.

An id may be any text, a word of a sentence or of a record's own among them. So it is hidden as a whole word,
and in a record only where people read: what a record is made of stays, whatever somebody calls himself.
"""

import html
import json
import re
from collections.abc import Callable, Collection
from typing import Any

import markupsafe

SHORTEST = 6  # letters: a shorter id cannot be told from another word
HIDDEN = "(forgotten)"
WORD = re.compile(r"[\w.@+-]+")
PLAIN = re.compile(r"[A-Za-z_]+")  # may as well be a word of ours
PREVIEW = re.compile(r'"md_str": "(?:[^"\\]|\\.)*\buser_id\b(?:[^"\\]|\\.)*"(?=\}, "label": "first rows")')
NO_PREVIEW = '"md_str": "(removed, as it named users)"'
# Of a record, what holds text for people also where it is one word.
TOLD = {"message", "user_message", "stack", "description", "text", "md_str", "json_str", "data", "value"}
RESERVED = re.compile(r"\.?dagster|nextplay/")  # begins the names of tags that Dagster and our runs read


def hider(users: Collection[str]) -> Callable[[str], str]:
    """A function that replaces the ids of some users in a text, each as a whole word."""
    long = {user for user in users if len(user) >= SHORTEST}
    words = {user for user in long if WORD.fullmatch(user)}
    others = {form for user in long - words for form in forms(user)}
    texts = [re.escape(form) for form in sorted(others, key=len, reverse=True)]
    texts += [_whole(form) for user in words for form in forms(user) - {user}]
    other = re.compile("|".join(texts)) if texts else None

    def hide(text: str) -> str:
        text = PREVIEW.sub(NO_PREVIEW, text)
        if other is not None:
            text = other.sub(HIDDEN, text)
        return WORD.sub(lambda word: _hidden(word[0], words), text)

    return hide


def in_records(hide: Callable[[str], str]) -> Callable[[str, str], str]:
    """The same for a text of a database: a sentence, a name, or a document in JSON, whose form stays.

    Where the text is the value of a tag, the tag's name comes with it; otherwise an empty one.
    """

    def walk(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: walk(one, _told_as(name) if key == "tags" else name) for name, one in value.items()}
        if isinstance(value, list):
            return [walk(one, "" if isinstance(one, dict) else key) for one in value]
        return hidden(value, key) if isinstance(value, str) else value

    def hidden(text: str, key: str = "") -> str:
        if hide(text) == text:
            return text
        document = _document(PREVIEW.sub(NO_PREVIEW, text))
        if document is not None:
            return json.dumps(walk(document, ""))
        return hide(text) if key in TOLD or any(map(str.isspace, text)) else text

    return lambda text, tag: hidden(text, _told_as(tag) if tag else "")


def tag_column(table: str, column: str) -> str | None:
    """The column that names the tag whose value a column of Dagster's tables holds; None where it is none."""
    return "key" if table.endswith("_tags") and column == "value" else None


def named_in_a_page(users: Collection[str]) -> Callable[[str], bool]:
    """Whether a report names a user: those of before 1.0.0 do in the headings of their examples."""
    hide = hider([user for user in users if not PLAIN.fullmatch(user)])
    headings = [f"<h3>User {form}</h3>" for user in users for form in forms(user) if len(user) >= SHORTEST]
    return lambda page: hide(page) != page or any(heading in page for heading in headings)


def forms(user: str) -> set[str]:
    """How an id stands in text, in JSON, in JSON within JSON, and in pages, by their two ways to quote."""
    in_json = json.dumps(user)[1:-1]
    return {user, in_json, json.dumps(in_json)[1:-1], html.escape(user), str(markupsafe.escape(user))}


def _told_as(tag: str) -> str:
    """The key by which the value of a tag is judged: what a person gave a run is text for people."""
    return tag if RESERVED.match(tag) else "text"


def _hidden(word: str, users: Collection[str]) -> str:
    """A word, or what stands for it. A stop that ends a sentence is no part of an id, nor is the letter
    before it that of a line's end as JSON writes it."""
    for before, name in (("", word), (word[:1], word[1:] if word[0] in "nrt" else "")):
        for after in ("", "."):
            if name.endswith(after) and name.removesuffix(after) in users:
                return f"{before}{HIDDEN}{after}"
    return word


def _whole(form: str) -> str:
    """The pattern of a word that JSON writes otherwise, where it is not a part of a longer one."""
    return rf"(?:(?<![\w.@+-])|(?<=\\[nrt])){re.escape(form)}(?![\w@+-]|\.\w|\\+u[0-9a-f])"


def _document(text: str) -> dict[str, Any] | list[Any] | None:
    """What a text holds in JSON; None where that is no more than a text or a number."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None
