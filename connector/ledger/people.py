"""People who may sign in, the browsers that they are signed in with, and who tried in vain."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, insert, or_, select, update

from connector.domain.people import Role
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.people_tables import FailedSignInRow, SessionRow, UserRow

IDLE: Final = timedelta(hours=2)
"""A browser that asked for nothing for so long has to sign in again."""

_SEEN_EVERY: Final = timedelta(minutes=5)
"""So seldom a session's last use is written down: a look at a page should not cost a commit."""

REMEMBERED: Final = timedelta(minutes=15)
"""For so long a failed sign-in counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who may sign in."""

    name: str
    role: Role
    language: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is signed in, and as whom."""

    digest: str
    user: str
    role: Role
    language: str | None
    form_key: str


@dataclass(frozen=True, slots=True)
class Failures:
    """How many sign-ins failed lately."""

    by_pair: int  # of the name from the address
    by_name: int
    by_address: int


_FROM_PROVIDER: Final = "provider "
"""In place of a password: only a provider lets this user in."""

_USER = tuple(getattr(UserRow, name) for name in User.__dataclass_fields__)


class People:
    """Users and sessions as the ledger has them. Passwords come here as hashes alone."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    def users(self) -> list[User]:
        """Return all users by name."""
        with self._database.read() as connection:
            return [User(**row._mapping) for row in connection.execute(select(*_USER).order_by(UserRow.name))]

    def has_users(self) -> bool:
        """Whether anybody could sign in."""
        with self._database.read() as connection:
            return connection.execute(select(UserRow.name).limit(1)).one_or_none() is not None

    def password(self, name: str) -> str | None:
        """Return the hash of a user's password; None where there is no such user."""
        with self._database.read() as connection:
            return connection.execute(select(UserRow.password).where(UserRow.name == name)).scalar_one_or_none()

    def add(self, name: str, role: Role, password: str) -> bool:
        """Add a user; return whether the name was free."""
        values = {"name": name, "role": role, "password": password, "created_at": self._database.clock.now()}
        statement = insert_dialect(self._database)(UserRow).values(values).on_conflict_do_nothing()
        with self._database.write() as connection:
            return connection.execute(statement.returning(UserRow.name)).one_or_none() is not None

    def admit(self, name: str, role: Role, subject: str) -> bool:
        """Let somebody be a user whom a provider has let in; return false where the name is another's.

        Such a user has no password here. The role is what the provider says now.

        Args:
            name: as the provider says it.
            role: what they may do.
            subject: digest of who they are at the provider, for good.
        """
        mark = f"{_FROM_PROVIDER}{subject}"
        values = {"name": name, "role": role, "password": mark, "created_at": self._database.clock.now()}
        upsert = insert_dialect(self._database)(UserRow).values(values)
        upsert = upsert.on_conflict_do_update(
            index_elements=["name"], set_={"role": role}, where=UserRow.password == mark
        )
        with self._database.write() as connection:
            return connection.execute(upsert.returning(UserRow.name)).one_or_none() is not None

    def set_password(self, name: str, password: str, *, keep: str | None = None) -> bool:
        """Set a user's password and sign all browsers out, but the one of the session `keep`.

        Returns whether there is such a user.
        """
        with self._database.write() as connection:
            changed = connection.execute(update(UserRow).where(UserRow.name == name).values(password=password))
            others = delete(SessionRow).where(SessionRow.person == name)
            connection.execute(others if keep is None else others.where(SessionRow.digest != keep))
        return changed.rowcount == 1

    def set_language(self, name: str, language: str) -> None:
        """Remember in which language a user reads the console."""
        with self._database.write() as connection:
            connection.execute(update(UserRow).where(UserRow.name == name).values(language=language))

    def remove(self, name: str) -> bool:
        """Remove a user and all their sessions; return whether there was one. What they did stays in the ledger."""
        with self._database.write() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.person == name))
            return connection.execute(delete(UserRow).where(UserRow.name == name)).rowcount == 1

    # ------------------------------------------------------------ sessions

    def begin(self, user: str, *, hours: float) -> str:
        """Sign a browser in; return what it is to show from now on, for so many hours at most."""
        shown = secrets.token_urlsafe(32)
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.expires_at < now))
            connection.execute(
                insert(SessionRow).values(
                    digest=digest(shown),
                    person=user,
                    form_key=secrets.token_urlsafe(32),
                    seen_at=now,
                    expires_at=now + timedelta(hours=hours),
                )
            )
        return shown

    def session(self, shown: str) -> Session | None:
        """Return the session of a browser; None where it has ended, or never was one."""
        now = self._database.clock.now()
        query = (
            select(
                SessionRow.digest, SessionRow.person, SessionRow.form_key, SessionRow.seen_at, UserRow.role,
                UserRow.language,
            )
            .join(UserRow, UserRow.name == SessionRow.person)
            .where(SessionRow.digest == digest(shown), SessionRow.expires_at > now, SessionRow.seen_at > now - IDLE)
        )  # fmt: skip
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        if row.seen_at < now - _SEEN_EVERY:
            with self._database.write() as connection:
                connection.execute(update(SessionRow).where(SessionRow.digest == row.digest).values(seen_at=now))
        return Session(
            digest=row.digest, user=row.person, role=row.role, language=row.language, form_key=row.form_key
        )

    def end(self, session: Session) -> None:
        """Sign a browser out."""
        with self._database.write() as connection:
            connection.execute(delete(SessionRow).where(SessionRow.digest == session.digest))

    # ------------------------------------------------------------ failed attempts

    def failed(self, name: str, address: str) -> None:
        """Remember a wrong name or password, and forget the old ones."""
        now = self._database.clock.now()
        with self._database.write() as connection:
            connection.execute(delete(FailedSignInRow).where(FailedSignInRow.at < now - REMEMBERED))
            values = {"at": now, "name": name[:64], "address": address[:64]}
            connection.execute(insert(FailedSignInRow).values(values))

    def failures(self, name: str, address: str) -> Failures:
        """Return how often, lately, this name failed, and how often this address did."""
        now = self._database.clock.now()
        pair = name[:64], address[:64]
        query = select(FailedSignInRow.name, FailedSignInRow.address, func.count()).where(
            FailedSignInRow.at >= now - REMEMBERED,
            or_(FailedSignInRow.name == pair[0], FailedSignInRow.address == pair[1]),
        )
        with self._database.read() as connection:
            rows = connection.execute(query.group_by(FailedSignInRow.name, FailedSignInRow.address)).all()
        return Failures(
            by_pair=sum(row[2] for row in rows if (row[0], row[1]) == pair),
            by_name=sum(row[2] for row in rows if row[0] == pair[0]),
            by_address=sum(row[2] for row in rows if row[1] == pair[1]),
        )


def digest(shown: str) -> str:
    """Return what is kept of a secret that only its holder has; it is long and random, so no salt is needed."""
    return hashlib.sha256(shown.encode()).hexdigest()
