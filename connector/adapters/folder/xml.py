"""XML that strangers wrote, read without following anything that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree

_NUMBER: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_LONGEST_NUMBER: Final = 40
_MOST_DIGITS: Final = 18
"""Most digits of a number before its point: in what is computed, with 28 digits, no cent is lost."""

_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2}|T.*)?", re.ASCII)


class UnreadableError(Exception):
    """The file is no document that can be read; the text goes on from "The file … "."""


class Node:
    """An element, whose descendants are found by their local names: prefixes are every writer's own choice."""

    __slots__ = ("_element",)

    def __init__(self, element: Element) -> None:
        self._element = element

    @property
    def name(self) -> str:
        """The name without its namespace."""
        return _local(self._element.tag)

    @property
    def namespace(self) -> str:
        """The namespace; empty where there is none."""
        tag = self._element.tag
        return tag[1:].partition("}")[0] if tag.startswith("{") else ""

    def attribute(self, name: str) -> str | None:
        """Return an attribute; None where it is missing or empty."""
        return (self._element.get(name) or "").strip() or None

    def all(self, *path: str) -> Iterator[Node]:
        """Yield the elements at the end of a path of local names."""
        for child in self._element:
            if _local(child.tag) == path[0]:
                node = Node(child)
                if len(path) == 1:
                    yield node
                else:
                    yield from node.all(*path[1:])

    def first(self, *path: str) -> Node | None:
        """Return the first element at the end of a path; None where there is none."""
        return next(self.all(*path), None)

    def value(self) -> str | None:
        """Return the element's own text; None where it has none."""
        return (self._element.text or "").strip() or None

    def text(self, *path: str) -> str | None:
        """Return the first text at the end of a path that is not empty; None where there is none."""
        return next(filter(None, (node.value() for node in self.all(*path))), None)

    def words(self, *path: str) -> str:
        """Return the first text at the end of a path; nothing where there is none."""
        return self.text(*path) or ""

    def amount(self, *path: str) -> Decimal | None:
        """Return a number; None where there is none.

        Raises:
            UnreadableError: it is none, or is written with an exponent.
        """
        text = self.text(*path)
        return None if text is None else _number(text, "/".join(path))

    def number(self) -> Decimal:
        """Return the element's own text as a number.

        Raises:
            UnreadableError: it is none.
        """
        return _number(self.value() or "", self.name)

    def needed(self, *path: str) -> Decimal:
        """Return a number that has to be there.

        Raises:
            UnreadableError: it is missing or none.
        """
        found = self.amount(*path)
        if found is None:
            raise UnreadableError(f"has no {'/'.join((self.name, *path))}")
        return found

    def day(self, *path: str) -> date | None:
        """Return a date of the form 2026-01-31, whatever zone stands behind it; None where there is none.

        Raises:
            UnreadableError: it is none.
        """
        text = self.text(*path)
        return None if text is None else as_day(text, "/".join(path))

    def truth(self, *path: str) -> bool:
        """Whether the text is true or 1."""
        return (self.text(*path) or "").lower() in {"true", "1"}


def _number(text: str, where: str) -> Decimal:
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UnreadableError(f"has {_shown(text)} in {where}, which is no number")
    number = Decimal(text)
    if number and number.adjusted() >= _MOST_DIGITS:
        raise UnreadableError(f"has {_shown(text)} in {where}, which is beyond all measure")
    return number


def as_day(text: str, where: str) -> date:
    """Return a date of the form 2026-01-31.

    Raises:
        UnreadableError: it is none.
    """
    match = _DAY.fullmatch(text)
    try:
        return date.fromisoformat(match[1] if match else "")
    except ValueError:
        raise UnreadableError(f"has {_shown(text)} in {where}, which is no date") from None


def root_of(content: bytes) -> Node:
    """Parse a file. Document types, and with them all entities, are refused: no invoice has a use for them.

    Raises:
        UnreadableError: it is no XML, or wants more than its own text.
    """
    try:
        return Node(ElementTree.fromstring(content, forbid_dtd=True, forbid_entities=True, forbid_external=True))
    except DefusedXmlException as error:
        raise UnreadableError("has a document type or entities, which are never followed") from error
    except (ParseError, ValueError, LookupError) as error:
        raise UnreadableError(f"is no XML, or not all of it: {error}") from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_NUMBER else text[: _LONGEST_NUMBER - 1] + "…")
