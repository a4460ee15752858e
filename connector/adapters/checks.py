"""Rows of a check-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from connector.domain.errors import ConnectorError
from connector.ports import CheckRow

Result = TypeVar("Result")


def ok(name: str, message: str) -> CheckRow:
    """Return the row of something that works."""
    return CheckRow(name=name, status="ok", message=message)


def warning(name: str, message: str, action: str = "") -> CheckRow:
    """Return the row of something that works, and that somebody should know about."""
    return CheckRow(name=name, status="warning", message=message, action=action)


def failed(name: str, message: str, action: str = "") -> CheckRow:
    """Return the row of something that does not work."""
    return CheckRow(name=name, status="failed", message=message, action=action)


def attempt(
    name: str, what: Callable[[], Result], told: Callable[[Result], str]
) -> tuple[list[CheckRow], Result | None]:
    """Try one thing; return its row, and its result where there is one."""
    try:
        result = what()
    except ConnectorError as error:
        return [failed(name, error.message, error.action)], None
    return [ok(name, told(result))], result
