"""Plain text in Markdown."""

from __future__ import annotations

import re
from typing import Final

_CODE_OR_MARK: Final = re.compile(r"`[^`]*`|\*|<(?=[a-zA-Z/!])")

_PAGE: Final = re.compile(r"\bdocs/([\w-]+\.md)")

_PLAIN: Final = {"*": r"\*", "<": "&lt;"}


def plain(text: str) -> str:
    """Return text in which nothing but code in backticks means anything to Markdown: `*.pdf` stays what it is.

    The names of pages in docs/ become links to them, from beside them.
    """
    return _PAGE.sub(r"[\1](\1)", _CODE_OR_MARK.sub(lambda found: _PLAIN.get(found[0], found[0]), text))
