"""What people do in Odoo while the connector works, by SQL on the test's own copy of the database."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from tests.support.odoo import OdooDatabase
from tests.support.services import connect_postgres

OURS: Final = ("x_b2b_reference", "x_b2b_xref")

_CLONE: Final = "INSERT INTO {0} SELECT (jsonb_populate_record(r, %s::jsonb)).* FROM {0} r WHERE id = %s"


class Erp:
    """An Odoo database in the hands of its users."""

    def __init__(self, database: OdooDatabase) -> None:
        self.database = database
        self.url = database.url
        self.version = database.version

    @property
    def documents(self) -> list[dict[str, Any]]:
        """All documents as Odoo's own models read them."""
        documents: list[dict[str, Any]] = self.database.expected["invoices"]
        return documents

    @property
    def sendable(self) -> dict[str, dict[str, Any]]:
        """What a connector should pick up, by primary key as text."""
        return {str(document["id"]): document for document in self.documents if document["sendable"]}

    def named(self, key: str) -> dict[str, Any]:
        return next(document for document in self.documents if document["key"] == key)

    def moves(self) -> dict[str, dict[str, Any]]:
        """Every row of account_move with every column."""
        with connect_postgres(self.url) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return {str(row["id"]): row for row in cursor.execute("SELECT * FROM account_move").fetchall()}

    def do(self, statement: str, *values: Any) -> None:
        with connect_postgres(self.url) as connection:
            connection.execute(statement.encode(), values)

    def round_cash(self, document: int, balance: str, *, tax: int | None) -> None:
        """As Odoo adds a rounding line: to the net amount, or to a tax."""
        self.do(
            "INSERT INTO account_move_line (id, move_id, display_type, name, amount_currency, tax_line_id,"
            " currency_id, account_id, journal_id, company_id)"
            " SELECT max(id) OVER () + 1, %s, 'rounding', 'Rounding', %s::numeric, %s::integer,"
            " currency_id, account_id, journal_id, company_id FROM account_move_line ORDER BY id LIMIT 1",
            document,
            balance,
            tax,
        )
        self.do(
            f"UPDATE account_move SET {'amount_tax' if tax else 'amount_untaxed'} ="
            f" {'amount_tax' if tax else 'amount_untaxed'} + abs(%s::numeric),"
            " amount_total = amount_total + abs(%s::numeric) WHERE id = %s",
            balance,
            balance,
            document,
        )

    def set_state(self, key: int | str, state: str) -> None:
        """As the buttons "Reset to Draft" and "Confirm" leave the row."""
        self.do(
            "UPDATE account_move SET state = %s, write_date = clock_timestamp() AT TIME ZONE 'UTC' WHERE id = %s",
            state,
            int(key),
        )

    def confirm_copies(self, of: int, numbers: Sequence[str], *, partner: int | None = None) -> list[str]:
        """Confirm new invoices with the content of another one; return their keys."""
        with self._transaction() as connection:
            return [str(self._copy(connection, of, number, partner)) for number in numbers]

    def new_customer(self, like: int, *, name: str, vat: str) -> int:
        """A new company, for the rest like another one."""
        with self._transaction() as connection:
            (new,) = connection.execute("SELECT max(id) + 1 FROM res_partner").fetchone() or (0,)
            changes = {"id": new, "name": name, "vat": vat, "commercial_partner_id": new, "ref": None}
            _clone(connection, "res_partner", like, changes)
        return int(new)

    def _copy(self, connection: psycopg.Connection[Any], of: int, number: str, partner: int | None) -> int:
        (new,) = connection.execute("SELECT max(id) + 1 FROM account_move").fetchone() or (0,)
        (now,) = connection.execute("SELECT (clock_timestamp() AT TIME ZONE 'UTC')::text").fetchone() or ("",)
        changes: dict[str, Any] = {"id": new, "name": number, "state": "posted", "write_date": now}
        changes |= {"payment_reference": number, "access_token": None, "sequence_number": 100_000 + new}
        changes |= dict.fromkeys(OURS)
        if partner is not None:
            changes |= {"partner_id": partner, "commercial_partner_id": partner}
        _clone(connection, "account_move", of, changes)
        lines = connection.execute("SELECT id FROM account_move_line WHERE move_id = %s ORDER BY id", [of]).fetchall()
        for (line,) in lines:
            (fresh,) = connection.execute("SELECT max(id) + 1 FROM account_move_line").fetchone() or (0,)
            _clone(connection, "account_move_line", line, {"id": fresh, "move_id": new, "move_name": number})
            connection.execute(
                "INSERT INTO account_move_line_account_tax_rel (account_move_line_id, account_tax_id)"
                " SELECT %s, account_tax_id FROM account_move_line_account_tax_rel WHERE account_move_line_id = %s",
                [fresh, line],
            )
        return int(new)

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        with connect_postgres(self.url) as connection, connection.transaction():
            yield connection


def _clone(connection: psycopg.Connection[Any], table: str, key: int, changes: dict[str, Any]) -> None:
    statement = sql.SQL(_CLONE).format(sql.Identifier(table))
    connection.execute(statement, [json.dumps(changes), key])
