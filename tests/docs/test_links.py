"""Every link in the docs leads somewhere: files and headings are looked up, addresses judged by form."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")],
)
MARKDOWN = MarkdownIt("commonmark").enable("table")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_resolves(page: Path) -> None:
    broken = [link for link in links(page.read_text(encoding="utf-8")) if not resolves(page, link)]
    assert not broken, f"{page.relative_to(ROOT)} links to what is not there: {broken}"


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / urlsplit(link).path).resolve() for link in links(index.read_text("utf-8"))}
    pages = {page for page in (ROOT / "docs").rglob("*.md") if page != index}
    assert not pages - listed, "add these pages to docs/README.md"


def test_the_readme_leads_to_the_index_and_is_short() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "docs/README.md" in set(links(text))
    assert len(text.split()) <= 900


@pytest.mark.parametrize(
    "link",
    ["missing.md", "architecture.md#no-such-heading", "#nothing", "../..", "https://", "http:x", "ftp://a.b"],
)
def test_a_broken_link_is_found(link: str) -> None:
    assert not resolves(ROOT / "docs" / "data.md", link)


@pytest.mark.parametrize(
    "link",
    ["architecture.md", "../README.md", "#splits", "operations.md#events-and-impressions", "https://a.org/b"],
)
def test_a_sound_link_is_none_of_them(link: str) -> None:
    assert resolves(ROOT / "docs" / "data.md", link)


def test_links_in_code_are_no_links() -> None:
    assert list(links("`[a](b)` [c](d) ![e](f)\n```\n[g](h)\n```\n")) == ["d", "f"]


def links(text: str) -> Iterator[str]:
    """The targets of links and pictures, as they are written."""
    for token in _inline(MARKDOWN.parse(text)):
        target = token.attrGet("href") or token.attrGet("src")
        if target is not None:
            yield unquote(str(target))


def resolves(page: Path, link: str) -> bool:
    """Does a link of this page lead to a file of the repository, to a heading, or to a sound address?"""
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in ("http", "https") and bool(parts.netloc)
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not parts.fragment or parts.fragment in anchors(target.read_text(encoding="utf-8"))


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    tokens, found, seen = MARKDOWN.parse(text), set(), Counter[str]()
    for opening, heading in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(t.content for t in heading.children or [])
            slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def _inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _inline(token.children or [])
