"""Texts of ERPs that keep mark-up, as plain words."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override


def plain_text(html: str | None) -> str | None:
    """Return the words of an HTML text: blocks and breaks end a line, the rest of the mark-up goes."""
    if not html:
        return None
    try:
        words = _words(html)
    except AssertionError:  # of Python's parser, about sections that it does not know
        words = _words(_SECTION.sub(" ", html))
    lines = [re.sub(r"\s+", " ", line).strip() for line in words.split(_BREAK)]
    return "\n".join(line for line in lines if line) or None


def _words(html: str) -> str:
    parser = _Words()
    parser.feed(html)
    parser.close()
    return "".join(parser.parts)


_BREAK: Final = "\x00"
_SECTION: Final = re.compile(r"<!--.*?-->|<!\[[^>]*>?", re.DOTALL)


class _Words(HTMLParser):
    _BLOCKS: Final = {
        "address",
        "article",
        "blockquote",
        "br",
        "div",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "table",
        "tr",
    } | {f"h{level}" for level in range(1, 7)}
    _HIDDEN: Final = frozenset({"script", "style", "head", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in self._HIDDEN
        self._break(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in self._HIDDEN and self._hidden > 0
        self._break(tag)

    @override
    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data.replace(_BREAK, ""))

    def _break(self, tag: str) -> None:
        if tag in self._BLOCKS:
            self.parts.append(_BREAK)
        elif tag in {"td", "th"}:
            self.parts.append(" ")
