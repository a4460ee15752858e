"""What MkDocs does not do by itself: pages that stand beside docs/, and pictures whose text can be selected.

The repository and the site have different places for the same page. Links are written for the repository, where they
work as they stand, and translated here; what cannot be translated is left for `--strict` to complain about.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[2]

BESIDE: Final[Mapping[str, str]] = {
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "deploy/README.md": "deployment.md",
}
"""Pages of the repository that stand elsewhere than in docs/, and what they are called on the site."""

ORIGINS: Final = {page: origin for origin, page in BESIDE.items()}

LINK: Final = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")

TRANSLATED: Final = re.compile(r"\.(?P<language>[a-z]{2})\.md$")

PICTURE: Final = re.compile(r'<img alt="(?P<alt>[^"]*)" src="(?P<source>[^":]+\.svg)" ?/?>')


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from beside docs/."""
    for origin, page in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / origin).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Translate links that lead to, or stand on, a page from beside docs/."""
    here = page.file.src_uri
    origin = ORIGINS.get(here, f"docs/{here}")

    def translated(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), link["path"]))
        place = BESIDE.get(target) or target.removeprefix("docs/")
        if place == target:
            return link[0]
        return posixpath.relpath(place, posixpath.dirname(here) or ".") + (link["anchor"] or "")

    return LINK.sub(translated, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Put drawings into the page itself: their text can then be selected, and their colours follow the page's."""

    def drawn(picture: re.Match[str]) -> str:
        source = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.dest_uri), picture["source"]))
        drawing = (Path(config.docs_dir) / source).read_text(encoding="utf-8")
        return f'<span class="drawing" role="img" aria-label="{picture["alt"]}">{drawing}</span>'

    return PICTURE.sub(drawn, html)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001
    """Let a page such as reasons.es.md say its language to browsers and screen readers."""
    name = TRANSLATED.search(page.file.src_uri)
    return output.replace('<html lang="en"', f'<html lang="{name["language"]}"', 1) if name else output
