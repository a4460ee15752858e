"""Where results go: JSON for machines, plain text into a pipe, tables on a terminal."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from connector.operations.texts import one_line

if TYPE_CHECKING:
    from rich.console import Console

STYLES: Mapping[str, str] = {
    "ok": "green",
    "pass": "green",
    "fail": "bold red",
    "done": "green",
    "issued": "green",
    "warning": "yellow",
    "waiting": "yellow",
    "pending": "cyan",
    "running": "cyan",
    "failed": "bold red",
    "held": "bold red",
    "skipped": "dim",
}
"""Colours of the words that say how something stands."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table. Only `wraps` may be broken into lines on a narrow terminal."""

    title: str
    wraps: bool = False
    right: bool = False


class Output:
    """Standard output, in the form that its reader wants."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._console: Console | None = None

    @property
    def terminal(self) -> bool:
        """Whether a person looks at it directly."""
        return not self.json and sys.stdout.isatty()

    @property
    def interactive(self) -> bool:
        """Whether a question would be answered."""
        return self.terminal and sys.stdin.isatty()

    def record(self, values: Mapping[str, Any]) -> None:
        """Print one JSON object on one line."""
        click.echo(json_format.dumps(values, ensure_ascii=False))

    def line(self, text: str = "", *, style: str = "") -> None:
        """Print one line, or a paragraph that a terminal breaks where it has to."""
        if not self.terminal:
            click.echo(text)
            return
        from rich.text import Text

        self.console.print(Text(text, style=style))

    def facts(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print names and values, one below the other."""
        rows = [(name, one_line(value)) for name, value in pairs]
        width = max((len(name) for name, _ in rows), default=0)
        if not self.terminal:
            for name, value in rows:
                click.echo(f"{name:<{width}}  {value}".rstrip())
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in rows:
            grid.add_row(name, Text(value, style=STYLES.get(value, "")))
        self.console.print(grid)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        """Print a table; into a pipe, a line of titles and lines with tabs, as they come."""
        if not self.terminal:
            click.echo("\t".join(column.title for column in columns))
            for row in rows:
                click.echo("\t".join(one_line(cell) for cell in row))
            return
        self._rich_table(columns, rows)

    def _rich_table(self, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.wraps,
                overflow="fold" if column.wraps else "ellipsis",
            )
        for row in rows:
            table.add_row(*(Text(one_line(cell), style=STYLES.get(cell, "")) for cell in row))
        self.console.print(table)

    @property
    def console(self) -> Console:
        """The terminal, for what is more than lines and tables."""
        from rich.console import Console

        if self._console is None:
            self._console = Console(markup=False, highlight=False, emoji=False)
        return self._console
