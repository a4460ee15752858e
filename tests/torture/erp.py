"""A throw-away ERP: the booking system of docs/examples, in SQLite or PostgreSQL, filled at random by a seed.

Every document knows what must become of it, so that the audit need not ask the product.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, Final, Literal

import psycopg
from sqlalchemy.engine import make_url

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
CENT = Decimal("0.01")

Fate = Literal["issued", "held", "waiting"]

OFFICES = {1: ("spain", "1", "ES21"), 2: ("france", "2", "FR20")}
"""Office -> account in the configuration, account id at B2Brouter, VAT code."""

RATES = {"ES21": Decimal(21), "ES10": Decimal(10), "FR20": Decimal(20)}


@dataclass(frozen=True)
class Line:
    quantity: Decimal
    rate: Decimal
    code: str

    @property
    def amount(self) -> Decimal:
        return (self.quantity * self.rate).quantize(CENT, ROUND_HALF_UP)


@dataclass
class Document:
    """What the ERP holds, and what must become of it."""

    key: int
    office: int
    customer: int
    number: str
    lines: Sequence[Line]
    fate: Fate = "issued"
    reason: str | None = None  # of a document that rests
    original: int | None = None
    off_by: Decimal = Decimal(0)  # what its total is wrong by

    @property
    def is_credit_note(self) -> bool:
        return self.original is not None

    def taxes(self) -> dict[str, tuple[Decimal, Decimal]]:
        """VAT code -> base and amount, positive."""
        bases: dict[str, Decimal] = {}
        for line in self.lines:
            bases[line.code] = bases.get(line.code, Decimal(0)) + line.amount
        return {
            code: (base, (base * RATES[code] / 100).quantize(CENT, ROUND_HALF_UP))
            for code, base in bases.items()
            if code in RATES
        }

    @property
    def net(self) -> Decimal:
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        return self.net + sum((amount for _, amount in self.taxes().values()), Decimal(0)) + self.off_by


@dataclass(frozen=True)
class Customer:
    key: int
    office: int
    name: str
    vat_number: str
    country: str


@dataclass(frozen=True)
class Mix:
    """How an ERP's documents are made up: shares of all, and the fewest and most good customers of an office."""

    customers: tuple[int, int] = (1, 3)
    credit_notes: float = 0.2
    mistyped: float = 0.06
    off: float = 0.05


MISTYPED: Final = 99
"""Last two digits of the customer whose tax number is wrong."""


@dataclass
class Books:
    """All that a scenario's ERP will hold."""

    customers: list[Customer] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    invoices: dict[int, list[Document]] = field(default_factory=lambda: {office: [] for office in OFFICES})
    mix: Mix = field(default_factory=Mix)

    def good_customers(self, office: int) -> list[int]:
        return [c.key for c in self.customers if c.office == office and c.key % 100 != MISTYPED]


def make_books(chance: random.Random, *, first: int, count: int, mix: Mix | None = None) -> Books:
    """Invent documents: mostly good invoices, some credit notes, a few that nobody may send."""
    books = Books(mix=mix or Mix())
    for office in OFFICES:
        for position in range(chance.randint(*books.mix.customers)):
            key = office * 100 + position
            country, vat = ("ES", _nif(chance)) if office == 1 else ("FR", _french(chance))
            books.customers.append(Customer(key, office, f"Customer {key}", vat, country))
        books.customers.append(Customer(office * 100 + MISTYPED, office, "Mistyped", "ES00000000X", "ES"))
    for position in range(count):
        document = _document(chance, books, first + position, position)
        books.documents.append(document)
        if not document.is_credit_note:
            books.invoices[document.office].append(document)
    return books


def _document(chance: random.Random, books: Books, key: int, position: int) -> Document:
    office = chance.choice((1, 1, 2))
    customer = chance.choice(books.good_customers(office))
    number = f"T-{key:04}"
    codes = ["ES21", "ES10"] if office == 1 else ["FR20"]
    lines = [
        Line(Decimal(chance.randint(1, 40)) / 4, Decimal(chance.randint(100, 99999)) / 100, chance.choice(codes))
        for _ in range(chance.randint(1, 4))
    ]
    document = Document(key, office, customer, number, lines)
    roll, mix, before = chance.random(), books.mix, books.invoices[office]
    if roll < mix.credit_notes and before:
        original = chance.choice(before)
        document.customer, document.original = original.customer, original.key
        if original.fate != "issued":
            # It is held for its own fault where it shares one, and waits for its original otherwise.
            mistyped = original.reason == "vat_number_wrong"
            document.fate = "held" if mistyped else "waiting"
            document.reason = "vat_number_wrong" if mistyped else "original_waiting"
    elif roll < mix.credit_notes + mix.mistyped and position:
        document.customer = office * 100 + MISTYPED
        document.fate, document.reason = "held", "vat_number_wrong"
    elif roll < mix.credit_notes + mix.mistyped + mix.off and position:
        document.off_by, document.fate, document.reason = Decimal(1), "held", "totals_do_not_add_up"
    return document


def _nif(chance: random.Random) -> str:
    number = chance.randint(10_000_000, 99_999_999)
    return f"ES{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _french(chance: random.Random) -> str:
    digits = [chance.randint(0, 9) for _ in range(8)]
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(digits)]
    siren = int("".join(map(str, [*digits, -sum(doubled) % 10])))
    return f"FR{(12 + 3 * (siren % 97)) % 97:02}{siren:09}"


def connected(url: str) -> psycopg.Connection[Any]:
    """A connection to an ERP in PostgreSQL; on a crowded server as soon as there is room."""
    parts = make_url(url)
    limit = time.monotonic() + 30
    while True:
        try:
            return psycopg.connect(
                host=parts.host, port=parts.port, user=parts.username, password=parts.password, dbname=parts.database
            )
        except psycopg.OperationalError as error:
            if "too many" not in str(error) or time.monotonic() > limit:
                raise
            time.sleep(0.2)


class Erp:
    """The ERP's database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._parsed = make_url(url)
        self.is_sqlite = self._parsed.get_backend_name() == "sqlite"

    @property
    def _file(self) -> Path:
        return Path(self._parsed.database or "")

    @property
    def _uri(self) -> str:
        """Of the file, if it is there: none is made."""
        return f"file:{self._file}?mode=rw"

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        if self.is_sqlite:
            with closing(sqlite3.connect(self._uri, uri=True, timeout=20)) as file, file:
                yield file.cursor()
            return
        with connected(self.url) as connection:
            yield connection.cursor()

    def _many(self, cursor: Any, table: str, rows: Sequence[Sequence[Any]]) -> None:
        if rows:
            mark = "?" if self.is_sqlite else "%s"
            plain = [[str(v) if isinstance(v, Decimal) and self.is_sqlite else v for v in row] for row in rows]
            cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(rows[0]))})", plain)

    def install(self, books: Books) -> None:
        """Make the tables, and what is there before the first document."""
        script = (EXAMPLES / "booking.sql").read_text(encoding="utf-8")
        with self._cursor() as cursor:
            for statement in script.split(";\n"):
                body = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
                if body.strip().startswith(("CREATE", "INSERT INTO office", "INSERT INTO vat_code")):
                    cursor.execute(body)
            self._many(
                cursor, "customer",
                [[c.key, c.name, c.vat_number, "Calle Mayor 1" if c.office == 1 else "1 rue Neuve",
                  "Madrid" if c.office == 1 else "Paris", "28013" if c.office == 1 else "75002", c.country,
                  f"c{c.key}@example.com", 0] for c in books.customers],
            )  # fmt: skip

    def confirm(self, documents: Sequence[Document], *, age: timedelta = timedelta()) -> None:
        """Put documents in, confirmed; with an age, their time of change is so long ago when they become visible."""
        now = (datetime.now(UTC) - age).replace(microsecond=0)
        today = now.date() - timedelta(days=1)
        projects: list[Sequence[Any]] = []
        tasks: list[Sequence[Any]] = []
        vats: list[Sequence[Any]] = []
        for d in documents:
            sign = -1 if d.is_credit_note else 1
            vat = sum((amount for _, amount in d.taxes().values()), Decimal(0))
            projects.append(
                [d.key, d.office, d.customer, f"Project {d.key}", "invoiced", "R" if sign < 0 else "F",
                 d.number, today.isoformat(), today.isoformat(), "EUR", None, d.original, sign * d.net,
                 sign * vat, None, None, sign * d.total, None, None, now.strftime("%Y-%m-%d %H:%M:%S")]
            )  # fmt: skip
            tasks += [
                [d.key * 100 + place, d.key, place, f"Work {place}", sign * line.quantity, "hour", line.rate,
                 None, sign * line.amount, line.code] for place, line in enumerate(d.lines)
            ]  # fmt: skip
            vats += [[d.key, code, sign * base, sign * amount] for code, (base, amount) in d.taxes().items()]
        with self._cursor() as cursor:
            for table, rows in (("project", projects), ("task", tasks), ("project_vat", vats)):
                self._many(cursor, table, rows)

    def rows(self) -> dict[int, tuple[str | None, str | None]]:
        """Key -> reference and xref, as they stand there."""
        with self._cursor() as cursor:
            cursor.execute("SELECT id, reference, project_xref FROM project")
            return {key: (reference, xref) for key, reference, xref in cursor.fetchall()}

    # ------------------------------------------------------------ what may happen to it

    def vanish(self, admin: Any) -> None:
        """Be gone: the file's folder renamed, or the database closed to all and its connections broken."""
        if self.is_sqlite:
            # While nobody is in the midst of a commit: SQLite does not survive being moved during one.
            with closing(sqlite3.connect(self._uri, uri=True, timeout=20, isolation_level=None)) as file:
                file.execute("BEGIN EXCLUSIVE")
                self._file.parent.rename(self._file.parent.with_suffix(".gone"))
                file.execute("ROLLBACK")
        else:
            admin.execute(f'ALTER DATABASE "{self._parsed.database}" WITH ALLOW_CONNECTIONS false')
            cut(admin, self._parsed.database or "", share=1.0, chance=random.Random(0))

    def come_back(self, admin: Any) -> None:
        if self.is_sqlite:
            self._file.parent.with_suffix(".gone").rename(self._file.parent)
        else:
            admin.execute(f'ALTER DATABASE "{self._parsed.database}" WITH ALLOW_CONNECTIONS true')


def cut(admin: Any, database: str, *, share: float, chance: random.Random) -> int:
    """Break connections to a PostgreSQL database; return how many."""
    pids = [
        row[0]
        for row in admin.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [database]
        ).fetchall()
    ]
    chosen = [pid for pid in pids if chance.random() < share]
    for pid in chosen:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
    return len(chosen)
