"""What recipients are to be told: put in once, taken out by whoever sends, kept until it went."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from connector.domain.job import Status
from connector.ledger import causes
from connector.ledger.database import Database
from connector.ledger.jobs import insert_dialect
from connector.ledger.queries import NEEDING, either
from connector.ledger.tables import AlarmRow, JobRow, NotificationRow, SignRow, ToldRow

SENDING_SECONDS: Final = 120.0
"""How long a notification is with whoever took it. After a crash it comes again, though it may have gone."""

KEEP: Final = timedelta(days=90)
"""How long what was sent, or could not be, is kept."""

_PAGE: Final = 1000


class Kind(StrEnum):
    """What a notification is about."""

    BEGUN = "begun"
    LASTS = "lasts"
    ENDED = "ended"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notification before it is in the outbox. `key` makes it one, however often it is put in."""

    key: str
    recipient: str
    kind: Kind
    fact: Mapping[str, Any]
    due_at: datetime
    alarm_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One notification that is ours to send."""

    id: int
    key: str
    kind: Kind
    alarm_id: int | None
    fact: dict[str, Any]
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What one recipient has not been told yet though it was tried."""

    count: int
    since: datetime


_COLUMNS = tuple(getattr(NotificationRow, name) for name in Taken.__dataclass_fields__)


class Outbox:
    """The notifications of the ledger."""

    def __init__(self, database: Database) -> None:
        """Work on a ledger."""
        self._database = database

    # ------------------------------------------------------------ in

    def put(self, notices: Sequence[Notice], *, closing: Collection[int] = ()) -> None:
        """Put notifications in that are not there yet.

        Args:
            notices: of alarms.
            closing: ids of the alarms of whose end they tell: nothing more comes of these.
        """
        new = self._unknown(notices)
        if not new and not closing:
            return
        for page in _pages(new):
            with self._database.write() as connection:
                for notice in page:
                    self._insert(connection, notice)
        for ids in _pages(closing):
            with self._database.write() as connection:
                connection.execute(update(AlarmRow).where(AlarmRow.id.in_(ids)).values(closed=True))

    def _unknown(self, notices: Sequence[Notice]) -> list[Notice]:
        """Leave out what is in already, so that looking at a lasting alarm writes nothing."""
        known: set[str] = set()
        with self._database.read() as connection:
            for page in _pages(notice.key for notice in notices):
                query = select(NotificationRow.key).where(NotificationRow.key.in_(page))
                known.update(connection.execute(query).scalars())
        return [notice for notice in notices if notice.key not in known]

    def put_digest(self, notice: Notice, told: Mapping[int, str], gone: Collection[int]) -> bool:
        """Put a digest in, and remember which cases it tells of; return whether it was not there yet.

        Args:
            notice: the digest; an empty fact has nothing to tell and counts as sent.
            told: reasons by job.
            gone: jobs that are no cases any more.
        """
        with self._database.write() as connection:
            if not self._insert(connection, notice):
                return False
            mine = ToldRow.recipient == notice.recipient
            for some in _pages(gone):
                connection.execute(delete(ToldRow).where(mine, ToldRow.job_id.in_(some)))
            rows = [{"recipient": notice.recipient, "job_id": job, "reason": why} for job, why in told.items()]
            insert = insert_dialect(self._database)(ToldRow)
            upsert = insert.on_conflict_do_update(
                index_elements=["recipient", "job_id"], set_={"reason": insert.excluded.reason}
            )
            for page in _pages(rows):
                connection.execute(upsert, page)
        return True

    def _insert(self, connection: Connection, notice: Notice) -> bool:
        now = self._database.clock.now()
        insert = insert_dialect(self._database)(NotificationRow).values(
            key=notice.key,
            recipient=notice.recipient,
            kind=str(notice.kind),
            alarm_id=notice.alarm_id,
            fact=dict(notice.fact),
            created_at=now,
            due_at=notice.due_at,
            attempts=0,
            sent_at=None if notice.fact else now,
        )
        new = connection.execute(insert.on_conflict_do_nothing().returning(NotificationRow.id))
        return new.first() is not None

    # ------------------------------------------------------------ out

    def take(self, recipient: str, *, alarm_id: int | None = None) -> list[Taken]:
        """Take what is due for a recipient, oldest first; nobody else gets it for `SENDING_SECONDS`."""
        now = self._database.clock.now()
        free = or_(NotificationRow.leased_until.is_(None), NotificationRow.leased_until <= now)
        due = [NotificationRow.recipient == recipient, NotificationRow.sent_at.is_(None)]
        due += [NotificationRow.due_at <= now, free]
        if alarm_id is not None:
            due.append(NotificationRow.alarm_id == alarm_id)
        with self._database.read() as connection:
            if connection.execute(select(NotificationRow.id).where(*due).limit(1)).first() is None:
                return []
        with self._database.write() as connection:
            rows = connection.execute(
                update(NotificationRow)
                .where(*due)
                .values(leased_until=now + timedelta(seconds=SENDING_SECONDS), attempts=NotificationRow.attempts + 1)
                .returning(*_COLUMNS)
            )
            taken = [Taken(**{**row._mapping, "kind": Kind(row.kind)}) for row in rows]
        return sorted(taken, key=lambda one: one.id)

    def went(self, taken: Sequence[Taken]) -> None:
        """Remember that they were sent."""
        self._settle(taken, sent_at=self._database.clock.now(), leased_until=None)

    def came_back(self, taken: Sequence[Taken], *, pause: float) -> None:
        """Have them tried again after so many seconds: they could not be sent."""
        due_at = self._database.clock.now() + timedelta(seconds=pause)
        self._settle(taken, due_at=due_at, leased_until=None)

    def _settle(self, taken: Sequence[Taken], **values: datetime | None) -> None:
        with self._database.write() as connection:
            for ids in _pages(one.id for one in taken):
                connection.execute(update(NotificationRow).where(NotificationRow.id.in_(ids)).values(**values))

    # ------------------------------------------------------------ what is there

    def unsent_alarms(self) -> set[tuple[str, int]]:
        """Return (recipient, alarm) of what has still to be told about alarms."""
        query = select(NotificationRow.recipient, NotificationRow.alarm_id).where(
            NotificationRow.sent_at.is_(None), NotificationRow.alarm_id.is_not(None)
        )
        with self._database.read() as connection:
            return {(row[0], int(row[1] or 0)) for row in connection.execute(query)}

    def last_digests(self) -> Mapping[str, tuple[str, datetime | None]]:
        """Return, by recipient, key of the last digest and when it went; None: it has still to go."""
        latest = select(func.max(NotificationRow.id)).where(NotificationRow.kind == Kind.DIGEST)
        query = select(NotificationRow.recipient, NotificationRow.key, NotificationRow.sent_at).where(
            NotificationRow.id.in_(latest.group_by(NotificationRow.recipient))
        )
        with self._database.read() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(query)}

    def last_told(self, recipient: str) -> datetime | None:
        """Return when a digest that told something was last put in for a recipient."""
        query = select(func.max(NotificationRow.created_at)).where(
            NotificationRow.recipient == recipient, NotificationRow.kind == Kind.DIGEST, NotificationRow.fact != {}
        )
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def backlogs(self) -> Mapping[str, Backlog]:
        """Return, by recipient, what could not be sent so far."""
        query = (
            select(NotificationRow.recipient, func.count(), func.min(NotificationRow.created_at))
            .where(NotificationRow.sent_at.is_(None), NotificationRow.attempts > 0)
            .group_by(NotificationRow.recipient)
        )
        with self._database.read() as connection:
            return {row[0]: Backlog(count=row[1], since=row[2]) for row in connection.execute(query)}

    def told(self, recipient: str) -> dict[int, str]:
        """Return the cases that a recipient has been told of, with the reason of each."""
        query = select(ToldRow.job_id, ToldRow.reason).where(ToldRow.recipient == recipient)
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def cases(self, resting: Collection[str]) -> Iterator[Any]:
        """Return what needs a person, with the columns of `causes.COLUMNS` and the number, by id.

        Args:
            resting: reasons with which also a waiting job needs one.
        """
        waiting = and_(JobRow.status == Status.WAITING, JobRow.reason.in_(resting))
        query = select(*causes.COLUMNS, JobRow.number).where(JobRow.reason.is_not(None), either(*NEEDING, waiting))
        after = 0
        while True:
            with self._database.read() as connection:
                page = connection.execute(query.where(JobRow.id > after).order_by(JobRow.id).limit(_PAGE)).all()
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].id

    # ------------------------------------------------------------ signs of life

    def sign(self, name: str, *, every: float = 0.0) -> bool:
        """Write down that something happens now; false where it did within the last `every` seconds."""
        now = self._database.clock.now()
        last = self.signed(name)
        if last is not None and now - last < timedelta(seconds=every):
            return False
        with self._database.write() as connection:
            if last is None:
                insert = insert_dialect(self._database)(SignRow).values(name=name, at=now)
                new = connection.execute(insert.on_conflict_do_nothing().returning(SignRow.name))
                return new.first() is not None
            mine = and_(SignRow.name == name, SignRow.at == last)  # of several processes one is first
            return connection.execute(update(SignRow).where(mine).values(at=now)).rowcount == 1

    def signed(self, name: str) -> datetime | None:
        """Return when it last happened."""
        with self._database.read() as connection:
            return connection.execute(select(SignRow.at).where(SignRow.name == name)).scalar_one_or_none()

    def tidy(self) -> None:
        """Forget what is long past."""
        past = self._database.clock.now() - KEEP
        with self._database.write() as connection:
            connection.execute(delete(NotificationRow).where(NotificationRow.created_at < past))
            known = select(NotificationRow.id).where(NotificationRow.alarm_id == AlarmRow.id)
            connection.execute(delete(AlarmRow).where(AlarmRow.closed, AlarmRow.ended_at < past, ~known.exists()))


def _pages(items: Iterable[Any]) -> Iterator[list[Any]]:
    kept = list(items)
    for start in range(0, len(kept), _PAGE):
        yield kept[start : start + _PAGE]
