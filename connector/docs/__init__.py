"""The pages of the documentation that are made from the software: `python -m connector.docs [FOLDER]`, make docs.

What they say stands once, beside what it is about: reasons in the catalogue, settings with their descriptions,
commands with their help. A test keeps the pages as these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from connector.docs import commands, configuration, reasons


def pages() -> Mapping[str, str]:
    """Return the pages by file name."""
    return {**reasons.pages(), "configuration.md": configuration.page(), "commands.md": commands.page()}


def write(folder: Path) -> None:
    """Write the pages."""
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
