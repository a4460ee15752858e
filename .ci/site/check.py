"""Look at the built site as a browser would: `check.py FOLDER`.

Every link leads to a file, and to a place in it where it names one; nothing is loaded from another host. MkDocs has
looked at the links of the Markdown, but not at those of its theme, of raw HTML, nor at what a page loads.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

ADDRESSES: Final = ("href", "src", "data", "poster")
IMPORTS: Final = re.compile(r"""(?:url\(\s*|@import\s+)["']?(https?:)?//""")


class Document(HTMLParser):
    """The links, the loaded parts and the places of one page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of what a tag names."""
        for name, value in attrs:
            if value is None:
                continue
            if name in ADDRESSES:
                (self.links if tag == "a" else self.loaded).append(value)
            elif name == "id" or (name == "name" and tag == "a"):
                self.places.add(value)


@cache
def read(page: Path) -> Document:
    document = Document()
    document.feed(page.read_text(encoding="utf-8"))
    return document


def faults(site: Path) -> Iterator[str]:
    """Yield what is wrong, a sentence each."""
    for page in sorted(site.rglob("*.html")):
        where, document = page.relative_to(site), read(page)
        for address in document.loaded:
            if urlsplit(address).netloc:
                yield f"{where} loads {address} from another host"
        for address in {*document.links, *document.loaded}:
            if fault := broken(address, page, site):
                yield f"{where}: {address} {fault}"
    for sheet in sorted(site.rglob("*.css")):
        if IMPORTS.search(sheet.read_text(encoding="utf-8")):
            yield f"{sheet.relative_to(site)} loads something from another host"


def broken(address: str, page: Path, site: Path) -> str:
    """Return what is wrong with an address; empty where it is good, or leads elsewhere."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return ""
    path = unquote(parts.path)
    target = (site / path.lstrip("/") if path.startswith("/") else page.parent / path) if path else page
    if target.is_dir():
        return "leads to a folder"
    if not target.is_file():
        return "leads nowhere"
    if parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in read(target).places:
        return "names no place of that page"
    return ""


def main() -> int:
    site = Path(sys.argv[1])
    found = list(faults(site))
    for fault in found:
        print(fault)
    print(f"{len(list(site.rglob('*.html')))} pages, {len(found)} faults")
    return 1 if found or not (site / "index.html").is_file() else 0


if __name__ == "__main__":
    sys.exit(main())
