"""Machines that may use the API, and what their repeated requests were answered."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update

from connector.domain.people import Scope
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.people import digest
from connector.ledger.people_tables import AnswerRow, TokenRow

PREFIX: Final = "b2bc_"
"""So that a token that got lost is recognised by whoever finds it."""

ANSWERS_KEPT: Final = timedelta(days=2)
"""For so long a repeated request gets the answer of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A machine that may use the API."""

    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What stands under an idempotency key."""

    request: str
    status: int | None
    body: str | None


class Tokens:
    """The tokens as the ledger has them."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def make(self, name: str, scopes: frozenset[Scope], expires_at: datetime | None) -> str | None:
        """Make a token; return it, this once. None where the name is taken."""
        shown = PREFIX + secrets.token_urlsafe(32)
        values = {
            "name": name,
            "digest": digest(shown),
            "scopes": " ".join(sorted(scopes)),
            "created_at": self._database.clock.now(),
            "expires_at": expires_at,
        }
        statement = insert_dialect(self._database)(TokenRow).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            made = connection.execute(statement.returning(TokenRow.name)).one_or_none()
        return shown if made else None

    def all(self) -> list[Token]:
        """Return all tokens by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(*TokenRow.__table__.c).order_by(TokenRow.name)).all()
        return [_token(row) for row in rows]

    def find(self, shown: str) -> Token | None:
        """Return the token that a machine shows; None where there is none, or its time is over."""
        with self._database.read() as connection:
            query = select(*TokenRow.__table__.c).where(TokenRow.digest == digest(shown))
            row = connection.execute(query).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= self._database.clock.now()):
            return None
        return _token(row)

    def is_valid(self, token: Token) -> bool:
        """Return whether a token that was found is still there, and its time not over."""
        if token.expires_at is not None and token.expires_at <= self._database.clock.now():
            return False
        same = (TokenRow.name == token.name, TokenRow.created_at == token.created_at)
        with self._database.read() as connection:
            return connection.execute(select(TokenRow.name).where(*same)).first() is not None

    def revoke(self, name: str) -> bool:
        """Remove a token; return whether there was one."""
        with self._database.write() as connection:
            connection.execute(delete(AnswerRow).where(AnswerRow.token == name))
            return connection.execute(delete(TokenRow).where(TokenRow.name == name)).rowcount == 1

    # ------------------------------------------------------------ idempotency

    def claim(self, token: str, key: str, request: str) -> Answer | None:
        """Begin a request under an idempotency key; return what stands there already, None where it is ours now."""
        now = self._database.clock.now()
        values = {"token": token, "key": key, "request": request, "at": now}
        with self._database.write() as connection:
            connection.execute(delete(AnswerRow).where(AnswerRow.at < now - ANSWERS_KEPT))
            statement = insert_dialect(self._database)(AnswerRow).values(values).on_conflict_do_nothing()
            if connection.execute(statement.returning(AnswerRow.key)).one_or_none() is not None:
                return None
            row = connection.execute(
                select(AnswerRow.request, AnswerRow.status, AnswerRow.body).where(
                    AnswerRow.token == token, AnswerRow.key == key
                )
            ).one()
        return Answer(request=row.request, status=row.status, body=row.body)

    def answer(self, token: str, key: str, *, status: int, body: str) -> None:
        """Remember what a request was answered."""
        mine = (AnswerRow.token == token, AnswerRow.key == key)
        with self._database.write() as connection:
            connection.execute(update(AnswerRow).where(*mine).values(status=status, body=body))

    def give_up(self, token: str, key: str) -> None:
        """Forget a request that came to nothing, so that it may be made again."""
        with self._database.write() as connection:
            connection.execute(
                delete(AnswerRow).where(AnswerRow.token == token, AnswerRow.key == key, AnswerRow.status.is_(None))
            )


def _token(row: object) -> Token:
    name, scopes, created, expires = (getattr(row, key) for key in ("name", "scopes", "created_at", "expires_at"))
    return Token(name=name, scopes=frozenset(map(Scope, scopes.split())), created_at=created, expires_at=expires)
