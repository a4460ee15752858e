"""Rows of a check-up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from connector.domain.errors import ConnectorError
from connector.ports import Adapter, CheckRow, Company

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


def companies_told(companies: Sequence[Company]) -> str:
    """Return the companies of an ERP as one line."""
    return "; ".join(f"{company.key} {company.name}" for company in companies) or "none"


def tried_by_reading(adapter: Adapter, place: str) -> tuple[list[CheckRow], bool]:
    """Read the first document and the companies; return the rows, and whether all could be read.

    Args:
        adapter: whose check-up it is.
        place: where it connects to, without secrets.
    """
    rows, first = attempt(
        "connection",
        lambda: adapter.find(None, 1, since=None, companies=None),
        lambda _: f"connected to {place}",
    )
    if first is None:
        return rows, False
    rows += attempt("companies", adapter.companies, companies_told)[0]
    keys = [head.key for head in first] or ["0"]
    rows += attempt("documents", lambda: adapter.load(keys), lambda _: "all tables and columns are there")[0]
    return rows, all(row.status == "ok" for row in rows)
