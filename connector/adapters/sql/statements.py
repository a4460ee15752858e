"""Checks of the statements that an operator wrote, and their binds."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import TextClause, bindparam, text

# Comments and quoted texts, whose words and semicolons do not count.
_SILENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`", re.DOTALL)

_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_NAME: Final = r"[\w\"`.\[\]]+"
_TABLE: Final = re.compile(rf"(?:\bFROM\b|\bJOIN\b|,)\s*({_NAME})", re.IGNORECASE)
_INNERMOST: Final = re.compile(r"\([^()]*\)")
_UPDATE: Final = re.compile(
    rf"\s*UPDATE\s+(?:ONLY\s+)?({_NAME})(?:\s+(?:AS\s+)?\w+)?\s+SET\s+(.*?)(?=\bFROM\b|\bWHERE\b|$)",
    re.IGNORECASE | re.DOTALL,
)
_SET: Final = re.compile(rf"(?:^|,)\s*(?:\w+\.)?({_NAME})\s*=")


def one_select(statement: str) -> str:
    """Return a single reading statement, without the semicolon at its end."""
    return _single(statement, {"SELECT", "WITH"}, "must be one SELECT statement")


def one_update(statement: str) -> str:
    """Return a single changing statement, without the semicolon at its end."""
    return _single(statement, {"UPDATE"}, "must be one UPDATE statement")


def require_binds(
    query: str, statement: str, binds: frozenset[str], *, optional: frozenset[str] = frozenset()
) -> None:
    """Check that a statement has exactly these placeholders, and perhaps some optional ones."""
    given = placeholders(statement)
    unknown, missing = sorted(given - binds - optional), sorted(binds - given)
    if unknown:
        known = " and ".join(f":{name}" for name in sorted(binds | optional)) or "none"
        raise ValueError(f"{query} has a placeholder :{unknown[0]}; known here: {known}")
    if missing:
        raise ValueError(f"{query} lacks the placeholder :{missing[0]}")


def placeholders(statement: str) -> frozenset[str]:
    """Return the names of the placeholders of a statement."""
    return frozenset(text(statement).compile().params)


def by_keys(statement: str) -> TextClause:
    """Return a statement whose `IN :keys` takes a list."""
    return text(statement).bindparams(bindparam("keys", expanding=True))


def tables_read(statement: str) -> frozenset[str]:
    """Return the names that may be tables of a statement: what follows FROM, JOIN or a comma."""
    return frozenset(_unquoted(name) for name in _TABLE.findall(_COMMENT.sub(" ", statement)))


def updated(statement: str) -> tuple[str, frozenset[str]]:
    """Return the table that an UPDATE changes, and the columns."""
    bare = _COMMENT.sub(" ", statement)
    while (flat := _INNERMOST.sub(" ", bare)) != bare:  # commas and equal signs of sub-queries and functions
        bare = flat
    found = _UPDATE.match(bare)
    if found is None:
        raise ValueError("must be one UPDATE statement")
    return _unquoted(found[1]), frozenset(_unquoted(name) for name in _SET.findall(found[2]))


def _unquoted(name: str) -> str:
    return re.sub(r"[\"`\[\]]", "", name)


def _single(statement: str, verbs: set[str], otherwise: str) -> str:
    bare = statement.strip().rstrip(";").rstrip()
    words = _SILENT.sub(" ", bare)
    first = re.match(r"\s*(\w+)", words)
    if first is None or first[1].upper() not in verbs or ";" in words:
        raise ValueError(otherwise)
    return f"{bare}\n"  # ends a comment of the last line, where the statement is put into another one
