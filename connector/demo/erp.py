"""Builds the back office's database, and reads what the connector wrote into it."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from contextlib import closing
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib import resources
from pathlib import Path

from connector.demo.cases import CASES, CUSTOMERS, OFFICES, VAT_CODES, Case, Work

_CENT = Decimal("0.01")
_STAMP = Decimal(5)
"""What the amount-only tax comes to."""


def build(file: Path, *, today: date) -> None:
    """Make the database with all documents, dated before `today`."""
    schema = resources.files("connector.demo").joinpath("booking.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(schema)
        connection.executemany("INSERT INTO office VALUES (?, ?, ?, ?)", OFFICES)
        connection.executemany(f"INSERT INTO customer VALUES ({', '.join('?' * 11)})", CUSTOMERS)  # noqa: S608
        connection.executemany("INSERT INTO vat_code VALUES (?, ?, ?, ?)", VAT_CODES)
        for case in CASES:
            _insert(connection, case, today)


def _insert(connection: sqlite3.Connection, case: Case, today: date) -> None:
    issued = today - timedelta(days=case.days_ago)
    net = sum((line.amount for line in case.lines), Decimal(0))
    vat = _vat(case)
    tax = sum((amount for _, amount in vat.values()), Decimal(0))
    connection.execute(
        "INSERT INTO project VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?)",
        (
            case.id,
            case.office,
            case.customer,
            case.title,
            case.status,
            "R" if case.is_credit_note else "F",
            case.number,
            issued.isoformat(),
            (issued + timedelta(days=30)).isoformat(),
            case.currency,
            case.order,
            case.corrects,
            str(net),
            str(tax),
            str(net + tax),
            case.pay_to,
            f"{issued.isoformat()} 09:30:00",
        ),
    )
    for position, line in enumerate(case.lines, start=1):
        connection.execute(
            "INSERT INTO task (project_id, position, description, quantity, unit, rate, amount, vat_code)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (case.id, position, line.description, str(line.quantity), line.unit, str(line.rate),
             str(line.amount), line.vat_code),
        )  # fmt: skip
    connection.executemany(
        "INSERT INTO project_vat VALUES (?, ?, ?, ?)",
        [(case.id, code, str(base), str(amount)) for code, (base, amount) in vat.items()],
    )


def _vat(case: Case) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Compute the VAT by code, on the sum or line by line: both are usual, and they may differ by a cent."""
    lines: dict[str, list[Work]] = defaultdict(list)
    for line in case.lines:
        if line.vat_code is not None:
            lines[line.vat_code].append(line)
    found = {}
    for code, some in lines.items():
        bases = [line.amount for line in some]
        base = sum(bases, Decimal(0))
        parts = bases if case.vat_per_line else [base]
        found[code] = (base, sum((_of(code, part) for part in parts), Decimal(0)))
    return found


def _of(code: str, base: Decimal) -> Decimal:
    percent = next(row[1] for row in VAT_CODES if row[0] == code)
    return _STAMP if percent is None else (base * percent / 100).quantize(_CENT, ROUND_HALF_UP)


def cure(file: Path) -> None:
    """Correct in the back office whatever is wrong there."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in (statement for case in CASES for statement in case.cure):
            connection.execute(statement)


def written(file: Path) -> Mapping[int, tuple[str | None, str | None]]:
    """Return reference and cross-reference of every document."""
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT id, reference, project_xref FROM project").fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}
