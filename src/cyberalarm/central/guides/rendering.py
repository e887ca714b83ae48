"""Markdown as HTML of our own pages. Pure.

Invariants: markup in the text stays text, so a page can hold nothing but what Markdown has; links lead to other guides or, by
`https:`, elsewhere, and one that leads nowhere here is no link; nothing is inline that the content policy forbids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markdown_it import MarkdownIt
from markdown_it.token import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_CLASSES = {
    "h1": "govuk-heading-l", "h2": "govuk-heading-m", "h3": "govuk-heading-s", "h4": "govuk-heading-s", "p": "govuk-body",
    "ul": "govuk-list govuk-list--bullet", "ol": "govuk-list govuk-list--number", "a": "govuk-link",
    "blockquote": "govuk-inset-text", "table": "govuk-table", "thead": "govuk-table__head", "tbody": "govuk-table__body",
    "tr": "govuk-table__row", "th": "govuk-table__header", "td": "govuk-table__cell", "pre": "ca-token",
}  # fmt: skip
_CAUTION = "[!CAUTION]"


def render(text: str, resolve: Callable[[str], str | None]) -> str:
    """One page. `resolve` gives a relative link's address on this site, or None."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = markdown.parse(text.replace(_CAUTION, "**Read first.**"))
    for token in tokens:
        if token.children:
            token.children = _linked(token.children, resolve)
    for token in tokens:
        _dress(token)
    html: str = markdown.renderer.render(_scrolling(tokens), markdown.options, {})
    return html.replace("<pre>", '<pre class="ca-token" tabindex="0">')


def _dress(token: Token) -> None:
    if token.nesting == 1 and token.tag in _CLASSES:
        token.attrSet("class", _CLASSES[token.tag])
        # Columns are told apart by their place, not by inline styles.
        token.attrs.pop("style", None)
    if token.type == "th_open":
        token.attrSet("scope", "col")


def _linked(inline: Sequence[Token], resolve: Callable[[str], str | None]) -> list[Token]:
    kept: list[Token] = []
    dropped: list[bool] = []
    for token in inline:
        if token.type == "link_open":
            href = str(token.attrGet("href") or "")
            address = href if href.startswith("https://") else resolve(href)
            dropped.append(address is None)
            if address is None:
                continue
            token.attrSet("href", address)
            token.attrSet("class", _CLASSES["a"])
        elif token.type == "link_close" and dropped and dropped.pop():
            continue
        kept.append(token)
    return kept


def _scrolling(tokens: Sequence[Token]) -> list[Token]:
    """Tables in a frame of their own, so that a wide one does not make the page wide."""
    found: list[Token] = []
    for token in tokens:
        if token.type == "table_open":
            frame = Token(
                "frame_open",
                "div",
                1,
                attrs={"class": "ca-scroll", "tabindex": "0", "role": "region", "aria-label": "Table"},
            )
            found.append(frame)
        found.append(token)
        if token.type == "table_close":
            found.append(Token("frame_close", "div", -1))
    return found
